"""Makes the files of data/ from public texts. A reader of the course never opens this room."""
