"""The mathematics of the teaching pages: small problems whose truth is known."""
