"""The pytest plugin: tests get an accelerator of the pool by the fixture `accelerator`.

It is beside `accelpool` and not in it: pytest imports the plugin in every run, and nothing of `accelpool` is
imported until a test asks for an accelerator. `docs/pytest.md` is its manual.

    policy          what is to happen when no accelerator can be had; needs nothing
    accelerators    the leases of one test session
    uses            which test has which leases
    plugin          options, marker, fixtures and reports
"""
