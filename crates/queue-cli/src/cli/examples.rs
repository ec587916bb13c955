//! The end of `--help`.

pub(super) const EXAMPLES: &str = "\
Examples:
  Create the two queues of the CSSE6400 practical, csse6400_prac and csse6400_prac.fifo:
    queue --create
  Send 100 messages, Message 0 to Message 99, and receive them in other terminals until Ctrl-C:
    queue --name csse6400_prac --client-name 'Client 1'
    queue --name csse6400_prac --client-name 'Client 2' --receive
  Send to a FIFO queue again, with other bodies: SQS drops equal ones for five minutes:
    queue --name csse6400_prac.fifo --client-name 'Client 1' --prepend 'again '
  Use three message groups, and send ten messages per call:
    queue --name csse6400_prac.fifo --groups 3 --batch
  Watch messages being delivered again:
    queue --name csse6400_prac --receive --no-delete --visibility 5s
  Send each line as a message, 50 per second:
    seq 1000 | queue --name csse6400_prac --body - --rate 50
  Plot the order of arrival against the order of sending:
    queue --name csse6400_prac --receive --idle-exit 5s --plot
  Process the output with another program:
    queue --name csse6400_prac --receive --json | jq .latency_ms
  Create a queue with a dead-letter queue, look at both, and move dead letters back:
    queue --create --name demo --max-receives 3
    queue stats demo
    queue redrive demo
  Use a queue of another service instead of SQS: a stream or a channel of Redis, RabbitMQ, ActiveMQ, Kafka:
    queue --url redis://127.0.0.1/demo --create
    queue --url redis://127.0.0.1/demo --client-name 'Client 1'
    queue --url redis+pubsub://127.0.0.1/demo --receive
    queue --url amqp://127.0.0.1/demo --receive
    queue --url stomp://USER:PASSWORD@127.0.0.1/demo --receive
    queue --url kafka://127.0.0.1/demo --receive
  Compare queues with each other, in a table and in a page for the browser:
    queue compare --html compared.html

Environment variables, as for every AWS tool:
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, or
  AWS_PROFILE and AWS_SHARED_CREDENTIALS_FILE   the credentials
  AWS_REGION                                    the region of the queue (default: us-east-1)
  AWS_ENDPOINT_URL_SQS                          an endpoint other than AWS
  QUEUE_PASSWORD_FILE                           a file with the password of a broker's user
  QUEUE_CA_FILE                                 a file with the authorities of a broker's certificate, in PEM
  NO_COLOR                                      set to disable colours

Exit codes:
  0    success; also when Ctrl-C ended receiving
  1    the run failed
  2    wrong options, credentials or queue
  130  Ctrl-C ended sending";
