#!/usr/bin/env python3
"""check_service.py ENDPOINT service|queues NAME: checks through the AWS API what Terraform created."""

import json
import sys

import boto3

ENDPOINT, STAGE, NAME = sys.argv[1:]
FIFO = STAGE == "queues"
SUFFIX = ".fifo" if FIFO else ""
checks = 0


def client(service):
    return boto3.client(service, endpoint_url=ENDPOINT, region_name="us-east-1")


def check(holds, claim, *seen):
    global checks
    checks += 1
    if not holds:
        sys.exit(f"check_service.py: not true: {claim}; found: {seen}")


def attributes_of(queue):
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def check_queues():
    jobs = attributes_of(f"{NAME}-ical{SUFFIX}")
    dead = attributes_of(f"{NAME}-ical-dead-letters{SUFFIX}")
    redrive = json.loads(jobs["RedrivePolicy"])
    check(redrive["deadLetterTargetArn"] == dead["QueueArn"], "dead letters go to the dead-letter queue", redrive)
    check(int(redrive["maxReceiveCount"]) == 10, "a message becomes a dead letter after ten receives", redrive)
    check(dead["MessageRetentionPeriod"] == str(14 * 24 * 3600), "dead letters are kept 14 days", dead)
    for queue in (jobs, dead):
        check(queue["ReceiveMessageWaitTimeSeconds"] == "20", "receives are long polls", queue)
        tls = json.loads(queue["Policy"])["Statement"][0]
        rejects = tls["Effect"] == "Deny" and tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        check(rejects, "the queue rejects requests without TLS", tls)
    if FIFO:
        for queue in (jobs, dead):
            check(queue["FifoQueue"] == "true", "both queues are FIFO queues", queue)
            check(queue["DeduplicationScope"] == "messageGroup", "deduplication is per message group", queue)
        allow = json.loads(dead["RedriveAllowPolicy"])
        check(allow["sourceQueueArns"] == [jobs["QueueArn"]], "only the job queue may use the dead-letter queue", allow)
    return jobs["QueueArn"], dead["QueueArn"]


def check_repositories():
    found = {r["repositoryName"]: r for r in client("ecr").describe_repositories()["repositories"]}
    for image in ("api", "worker"):
        repository = found.get(f"{NAME}/{image}")
        check(repository and repository["imageTagMutability"] == "IMMUTABLE", f"tags of {image} are immutable", found)
        check(repository["imageScanningConfiguration"]["scanOnPush"], f"images of {image} are scanned", repository)


def check_roles(jobs, dead):
    iam = client("iam")

    def policy(role):
        return iam.get_role_policy(RoleName=f"{NAME}-{role}", PolicyName="least")["PolicyDocument"]["Statement"]

    def resources(role):
        return {s["Resource"] for s in policy(role)}

    check(resources("api") == {jobs, dead}, "the API may use both queues", policy("api"))
    of_dead = {action for s in policy("api") if s["Resource"] == dead for action in s["Action"]}
    check(of_dead == {"sqs:GetQueueUrl", "sqs:GetQueueAttributes"}, "the API may only count dead letters", of_dead)
    account = jobs.split(":")[4]
    tasks = f"arn:aws:ecs:us-east-1:{account}:task/{NAME}/*"
    check(resources("worker") == {jobs, dead, tasks}, "the worker may use both queues and protect tasks", policy("worker"))
    actions = {action for s in policy("worker") for action in s["Action"]}
    check("sqs:SendMessage" not in actions, "the worker may not send", actions)


def check_database():
    database = client("rds").describe_db_instances(DBInstanceIdentifier=NAME)["DBInstances"][0]
    check(not database["PubliclyAccessible"], "the database is private", database)
    check(database["StorageEncrypted"], "the database is encrypted", database)
    check(database["MasterUserSecret"]["SecretArn"], "its password is in Secrets Manager", database)
    groups = {g["GroupName"]: g for g in client("ec2").describe_security_groups()["SecurityGroups"]}
    [rule] = groups[f"{NAME}-database"]["IpPermissions"]
    let_in = {pair["GroupId"] for pair in rule["UserIdGroupPairs"]}
    tasks = {groups[f"{NAME}-{task}"]["GroupId"] for task in ("api", "worker")}
    check(let_in == tasks and not rule["IpRanges"], "only the tasks can connect to the database", rule)
    return database


def secret_arns():
    """The secrets with the passwords of the API's and the worker's database users."""
    arns = {}
    for process in ("api", "worker"):
        name = f"{NAME}-database-{process}-"
        [secret] = [s for s in client("secretsmanager").list_secrets()["SecretList"] if s["Name"].startswith(name)]
        value = client("secretsmanager").get_secret_value(SecretId=secret["ARN"])["SecretString"]
        check(len(value) == 64 and value.isalnum(), f"the user of the {process} has a password", len(value))
        arns[process] = secret["ARN"]
    return arns


def check_tasks(database):
    ecs = client("ecs")
    users = secret_arns()
    services = ecs.describe_services(cluster=NAME, services=["api", "worker"])["services"]
    check(len(services) == 2, "there are two services", services)
    for service in services:
        task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        container, migrate = task["containerDefinitions"]
        check(container["readonlyRootFilesystem"], "the root file system is read-only", container)
        check(container["user"] == "65532:65532", "the container does not run as root", container)
        check(container["stopTimeout"] == 120, "a task has 120 seconds to stop", container)
        check(container["image"].endswith(":0123456789ab"), "the image has the tag of the commit", container)
        [secret] = container["secrets"]
        expected = {"name": "DATABASE_PASSWORD", "valueFrom": users[container["name"]]}
        check(secret == expected, "the password of the service's user comes from Secrets Manager", secret)
        secrets = {s["name"]: s["valueFrom"] for s in migrate["secrets"]}
        owner = f"{database['MasterUserSecret']['SecretArn']}:password::"
        check(secrets["DATABASE_PASSWORD"] == owner, "the migrations run as the owner of the database", secrets)
        check(migrate["command"] == ["migrate"], "the migrations run first", migrate)
        check(container["dependsOn"] == [{"containerName": "migrate", "condition": "SUCCESS"}], "the service waits for them", container)
        variables = {v["name"]: v["value"] for v in container["environment"]}
        check(variables["DATABASE_USER"] == f"taskoverflow_{container['name']}", "the service has a database user of its own", variables)
        check(variables["DATABASE_SSLMODE"] == "verify-full", "the database's certificate is verified", variables)
        check(variables["QUEUE_URL"].endswith(f"/{NAME}-ical"), "the services use the queue that Terraform created", variables)


def attributes(response):
    return {attribute["Key"]: attribute["Value"] for attribute in response["Attributes"]}


def check_load_balancer():
    elb = client("elbv2")
    [balancer] = elb.describe_load_balancers()["LoadBalancers"]
    timeouts = attributes(elb.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"]))
    check(int(timeouts["idle_timeout.timeout_seconds"]) < 75, "the load balancer closes idle connections before the API does", timeouts)
    listeners = {l["Port"]: l for l in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]}
    actions = {port: listener["DefaultActions"][0]["Type"] for port, listener in listeners.items()}
    check(actions == {80: "redirect", 443: "forward"}, "the load balancer serves HTTPS, and redirects HTTP to it", listeners)
    [certificate] = client("acm").list_certificates()["CertificateSummaryList"]
    check(certificate["DomainName"] == "todo.example.org", "the certificate is the domain's", certificate)
    check(listeners[443]["Certificates"][0]["CertificateArn"] == certificate["CertificateArn"], "HTTPS uses it", listeners)
    records = client("route53").list_resource_record_sets(HostedZoneId=client("route53").list_hosted_zones()["HostedZones"][0]["Id"])
    alias = [r["AliasTarget"]["DNSName"] for r in records["ResourceRecordSets"] if r["Name"] == "todo.example.org." and r["Type"] == "A"]
    check([name.rstrip(".") for name in alias] == [balancer["DNSName"]], "the domain leads to the load balancer", records)
    [group] = elb.describe_target_groups()["TargetGroups"]
    check(group["Port"] == 6400 and group["HealthCheckPath"] == "/startedz", "the load balancer forwards to the API", group)
    sticky = attributes(elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"]))
    check(sticky["stickiness.enabled"] == "true", "a browser stays with one task", sticky)


def check_alarms():
    alarms = {a["AlarmName"]: a for a in client("cloudwatch").describe_alarms()["MetricAlarms"]}
    names = (
        "database-connections",
        "database-credit",
        "database-memory",
        "database-storage",
        "dead-letters",
        "failed-jobs",
        "no-worker",
        "oldest-message",
        "outbox",
        "server-errors",
    )
    expected = {f"{NAME}-{name}" for name in names}
    check(set(alarms) == expected, f"there are {len(names)} alarms", set(alarms))
    check(all(a["AlarmActions"] for a in alarms.values()), "each alarm sends a notification", alarms)
    topics = client("sns").list_subscriptions()["Subscriptions"]
    check([t["Endpoint"] for t in topics] == ["me@example.org"], "notifications are sent by e-mail", topics)


jobs_arn, dead_arn = check_queues()
check_repositories()
if STAGE == "service":
    check_roles(jobs_arn, dead_arn)
    check_tasks(check_database())
    check_load_balancer()
    check_alarms()
print(f"all {checks} checks of the created resources passed")
