"""Instance files: the JSON format, the field's text formats, and generators of families."""
