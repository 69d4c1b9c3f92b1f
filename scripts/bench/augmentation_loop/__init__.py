"""Does augmentation pay? Rare classes with few labels, with and without texts made from them."""
