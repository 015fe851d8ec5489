"""What a trained model can do, in numbers: every measure's definition, and one table of them all."""
