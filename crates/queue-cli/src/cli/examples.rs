//! The end of `--help`.

pub(super) const EXAMPLES: &str = "\
Examples:
  The practical's two queues, csse6400_prac and csse6400_prac.fifo:
    queue --create
  Send 100 messages, Message 0 to Message 99; receive them in other terminals, until Ctrl-C:
    queue --name csse6400_prac --client-name 'Client 1'
    queue --name csse6400_prac --client-name 'Client 2' --receive
  Send again to a FIFO queue, with other bodies: the same ones are dropped for five minutes:
    queue --name csse6400_prac.fifo --client-name 'Client 1' --prepend 'again '
  Three message groups, ten messages a call:
    queue --name csse6400_prac.fifo --groups 3 --batch
  See redelivery:
    queue --name csse6400_prac --receive --no-delete --visibility 5s
  Send a message for each line, 50 a second:
    seq 1000 | queue --name csse6400_prac --body - --rate 50
  Plot what was received against what was sent:
    queue --name csse6400_prac --receive --idle-exit 5s --plot
  For programs:
    queue --name csse6400_prac --receive --json | jq .latency_ms
  Dead letters: give up after three receives, look, move them back:
    queue --create --name demo --max-receives 3
    queue stats demo
    queue redrive demo

Environment, as of every AWS tool:
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or
  AWS_PROFILE and AWS_SHARED_CREDENTIALS_FILE   who you are
  AWS_REGION                                    where the queue is (us-east-1)
  AWS_ENDPOINT_URL_SQS                          another SQS than Amazon's, such as http://127.0.0.1:9324
  NO_COLOR                                      no colours

Exit codes:
  0 done (receiving: after Ctrl-C too), 1 the run failed, 2 wrong flags, credentials or queue,
  130 sending was interrupted";
