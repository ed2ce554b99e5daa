"""The structural predictor: the accuracy of a cell by its wiring and its operators. No torch here."""
