"""Episodes as pictures: environments that show themselves, frames with captions, and the files that hold them."""
