"""What watches a training: none of them knows a method beyond `sample`."""
