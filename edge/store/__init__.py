"""What a door keeps on its disk: people and their templates, sealed, snapshotted, erased with a receipt."""
