"""From files to batches of frames and boxes: readers of formats, the set, transforms, the loader."""
