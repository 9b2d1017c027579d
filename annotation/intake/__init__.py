"""Takes in files, a table or a hub set: checked images with content-based ids."""
