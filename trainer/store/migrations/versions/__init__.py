"""The steps, in the order that `down_revision` gives them. A step that was released is never changed."""
