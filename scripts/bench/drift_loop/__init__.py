"""What the drift watch finds, how soon and at what cost, beside other packages, on streams whose truth is known."""
