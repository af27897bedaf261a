"""The login of the Prefect servers that tests share. The environment has it before Prefect is imported, as a worker's has."""

LOGIN = "pagemill:tests"
AUTH = ("pagemill", "tests")  # for httpx
