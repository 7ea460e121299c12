"""Chalice's entry point: reads the settings, composes, exposes `app`."""

import os

from crud_api.runtime.gc_pause import gc_pause

with gc_pause():
    from crud_api.access import protect
    from crud_api.application import APP_NAME, create_app
    from crud_api.executor.lambda_ import LambdaExecutor
    from crud_api.executor.seam import Execute, InProcessExecutor
    from crud_api.settings import Settings


def _execute(settings: Settings) -> Execute:
    if settings.executor_function is not None:
        return LambdaExecutor(settings.executor_function)
    from infra.local.database import local_handler  # noqa: PLC0415 - only a stage without a function has it

    return InProcessExecutor(local_handler())


_settings = Settings.from_environment(os.environ)
# The name of the REST API in AWS. The deploy finds the API by it, and the metrics of a stage have it.
_name = os.environ.get("API_NAME", APP_NAME)
_app = create_app(
    _execute(_settings),
    access=_settings.access,
    roles=_settings.roles,
    cors_origins=_settings.cors_origins,
    rest_allows=_settings.rest_allows,
    tells_all=_settings.executor_function is None,
    stage=_name.removeprefix(APP_NAME).removeprefix("-") or None,
)
app = protect(_app, _settings.access, _settings.cognito_user_pool_arn)
app.app_name = _name
