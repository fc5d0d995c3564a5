"""ResMem for next-token prediction: every training position is a memory, of what was read and what came next."""
