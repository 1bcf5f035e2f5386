"""No test depends on how fast the machine is: Hypothesis sets no deadline and takes slow examples."""

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
