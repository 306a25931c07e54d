"""What runs in the cloud: one order in, a swapped picture or video out.

It shares the engine and the errors with the app and nothing else; store, settings and pages stay at home.
"""
