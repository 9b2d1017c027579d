"""Takes in a folder, a table or a hub set of pictures: lists its inputs and says why one cannot be used."""
