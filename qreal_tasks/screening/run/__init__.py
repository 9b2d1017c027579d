"""One run over a folder, table or hub set of images: checked, judged shard by shard, and put together."""
