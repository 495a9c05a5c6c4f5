"""One module per data set; each has a function that returns `Responses`."""
