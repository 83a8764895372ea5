"""What holds for every test: hypothesis may take its time on a busy machine, but not in how much it tries."""

from hypothesis import HealthCheck, settings

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")
