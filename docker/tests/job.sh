# shellcheck shell=bash
# One calendar job from outside, for scripts that source this; each takes the API's address first.

# wait_for SECONDS WHAT COMMAND...: until the command succeeds
wait_for() {
  local seconds=$1 what=$2 until
  shift 2
  until=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || {
      echo "$what: not within $seconds s" >&2
      return 1
    }
    sleep 0.5
  done
}

wait_ready() { wait_for 90 "the API at $1 is ready" curl -fsS "$1/readyz"; }

# add_todo API TITLE
add_todo() {
  curl -fsS -o /dev/null -X POST "$1/api/v1/todos" -H 'Content-Type: application/json' \
    -d "{\"title\": \"$2\", \"deadline_at\": \"2030-01-02T03:04:05\"}"
}

# start_job API: prints the job's id
start_job() {
  curl -fsS -X POST "$1/api/v1/todos/ical" -H 'Content-Type: application/json' -d '{}' |
    sed -n 's/.*"task_id":"\([^"]*\)".*/\1/p'
}

# job_status API JOB
job_status() {
  curl -fsS "$1/api/v1/todos/ical/$2/status" | sed -n 's/.*"task_status":"\([^"]*\)".*/\1/p'
}

# job_is API JOB STATUS
job_is() { [ "$(job_status "$1" "$2")" = "$3" ]; }

# take_calendar API JOB TITLE: the job succeeds, and its calendar has the todo
take_calendar() {
  wait_for 90 "job $2 succeeds" job_is "$1" "$2" SUCCESS || {
    curl -sS "$1/api/v1/todos/ical/$2/status" >&2
    return 1
  }
  curl -fsS "$1/api/v1/todos/ical/$2/result" | tr -d '\r' | grep -qx "SUMMARY:$3" || {
    echo "job $2: its calendar has no todo \"$3\"" >&2
    return 1
  }
}

# one_calendar API TITLE: everything, from a todo to its calendar
one_calendar() {
  local job
  # each says so itself: behind `one_calendar … ||`, -e has no effect in here
  wait_ready "$1" || return
  add_todo "$1" "$2" || return
  job=$(start_job "$1") || return
  take_calendar "$1" "$job" "$2" || return
  echo "job $job: SUCCESS, and its calendar has \"$2\""
}
