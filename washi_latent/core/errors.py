"""The one error that users see."""


class WashiError(ValueError):
    """A mistake or a failure that a person can act on: one clear sentence that says what to do."""
