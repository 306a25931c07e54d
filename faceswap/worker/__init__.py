"""The cloud worker: it gets one request and makes one swapped picture or video.

It shares the engine, the wire contract and the errors with the app. It has no store, settings or pages.
"""
