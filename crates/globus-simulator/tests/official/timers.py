"""The TimersClient of the unmodified globus-sdk: everything that it can do; and its timers really run."""

import datetime
import os
import pathlib
import time

import globus_sdk
from globus_sdk.scopes import GCSCollectionScopes, TimersScopes, TransferScopes

CLIENT = os.environ["CLIENT_ID"]
MAPPED = os.environ["MAPPED"]
GUEST = os.environ["GUEST"]
ROOT = pathlib.Path(os.environ["ROOT"])


def client(*dependencies):
    app = globus_sdk.ClientApp(
        "beamline",
        client_id=CLIENT,
        client_secret=os.environ["CLIENT_SECRET"],
        config=globus_sdk.GlobusAppConfig(token_storage="memory"),
    )
    transfer = TransferScopes.all.with_dependencies(dependencies)
    timers = globus_sdk.TimersClient(app=app, app_scopes=[TimersScopes.timer.with_dependency(transfer)])
    timers.retry_config.max_retries = 0
    return timers


def refused(call, status):
    try:
        call()
    except globus_sdk.TimersAPIError as error:
        assert error.http_status == status, error
        return error
    raise AssertionError(f"expected {status}")


def until(condition):
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("not within 30 s")


body = globus_sdk.TransferData(MAPPED, GUEST)
body.add_item("/raw/", "/timed/", recursive=True)
timer = globus_sdk.TransferTimer(name="nightly", schedule=globus_sdk.OnceTimerSchedule(), body=body)

# The mapped collection asks for a consent beneath the one for Timers.
error = refused(lambda: client().create_timer(timer), 403)
assert error.code == "ConsentRequired"
assert error.raw_json["authorization_parameters"]["required_scopes"] == [
    f"{TimersScopes.timer}[{TransferScopes.all}[*https://auth.globus.org/scopes/{MAPPED}/data_access]]"
]
timers = client(GCSCollectionScopes(MAPPED).data_access)

# Once, now.
made = timers.create_timer(timer)["timer"]
assert made["name"] == "nightly" and made["schedule"]["type"] == "once" and made["status"] == "new"
until(lambda: timers.get_job(made["job_id"])["status"] == "ended")
done = timers.get_job(made["job_id"])
assert done["n_runs"] == 1 and done["n_errors"] == 0 and done["next_run"] is None
until(lambda: (ROOT / "share/timed/4.h5").exists())

# Again and again, paused, changed, resumed.
schedule = globus_sdk.RecurringTimerSchedule(
    interval_seconds=3600,
    start=datetime.datetime.now(tz=datetime.timezone.utc) + datetime.timedelta(hours=1),
    end={"condition": "iterations", "iterations": 2},
)
later = timers.create_timer(globus_sdk.TransferTimer(name="later", schedule=schedule, body=body))["timer"]["job_id"]
assert [one["name"] for one in timers.list_jobs()["jobs"]] == ["nightly", "later"]
assert timers.get_job(later)["stop_after"] == {"date": None, "n_runs": 2}
assert timers.update_job(later, {"name": "much later"})["name"] == "much later"
assert timers.pause_job(later)["message"] == f"Successfully paused job {later}."
assert timers.get_job(later)["inactive_reason"] == {"cause": "user", "detail": None}
timers.resume_job(later, update_credentials=True)
assert timers.get_job(later)["status"] == "loaded"
assert timers.delete_job(later)["job_id"] == later
refused(lambda: timers.get_job(later), 404)

# The older form, and what is wrong with it.
error = refused(lambda: timers.create_job({"name": "x"}), 422)
assert "field required" in error.messages[0]
job = timers.create_job(
    globus_sdk.TimerJob(
        "https://actions.automate.globus.org/transfer/transfer/run",
        {"body": {
            "source_endpoint_id": MAPPED,
            "destination_endpoint_id": GUEST,
            "transfer_items": [{"source_path": "/raw/0.h5", "destination_path": "/job.h5"}],
        }},
        datetime.datetime.now(tz=datetime.timezone.utc),
        None,
        name="a job",
    )
)
until(lambda: (ROOT / "share/job.h5").exists())
assert job["interval"] is None and job["timer_type"] == "transfer"
print("ok")
