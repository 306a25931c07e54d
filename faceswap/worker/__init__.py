"""The cloud worker. For each request it makes one swapped picture or video.

It shares the engine, the wire contract and the errors with the app. It has no store, settings or pages.
"""
