"""What lies on disk: layouts, lists, frames, PNG, LMDB."""
