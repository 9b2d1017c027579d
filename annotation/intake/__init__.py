"""From files, a table or a hub set to checked images with content-based ids."""
