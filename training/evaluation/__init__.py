"""What a trained model can do, in numbers: each measure, and one table of them all."""
