"""How good a method is: metrics, the methods side by side, intervals, the choice on validation."""
