"""How the store's tables came to be, one file a step in `versions/`, run by Alembic from within the program."""
