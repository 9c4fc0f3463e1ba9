resource "aws_ecs_cluster" "this" {
  name = var.name
  tags = local.tags

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "role" {
  for_each = local.roles

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task[each.key].arn
  tags                     = local.tags

  container_definitions = jsonencode([
    merge(local.container, {
      name             = each.key
      command          = each.value.command
      essential        = true
      portMappings     = each.value.balanced ? [{ containerPort = 8000, protocol = "tcp" }] : []
      logConfiguration = local.logs[each.key]
      # longer than a role takes to finish what it began
      stopTimeout = 60
      healthCheck = {
        command     = ["CMD", "python", "-m", "tocsin.embedded.probe", "9464", "/health/live"]
        interval    = 10
        timeout     = 5
        retries     = 3
        startPeriod = 60
      }
    }),
    local.collector,
  ])

  volume {
    name = "tmp"
  }

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }
}

resource "aws_ecs_service" "role" {
  for_each = local.roles

  name            = each.key
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.role[each.key].arn
  launch_type     = "FARGATE"
  desired_count   = var.running ? each.value.count : 0
  propagate_tags  = "SERVICE"
  tags            = local.tags

  deployment_minimum_healthy_percent = each.value.minimum_healthy
  deployment_maximum_percent         = each.value.maximum
  health_check_grace_period_seconds  = each.value.balanced ? 60 : null

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.private_subnet_ids
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = each.value.balanced ? [aws_lb_target_group.http.arn] : []

    content {
      target_group_arn = load_balancer.value
      container_name   = each.key
      container_port   = 8000
    }
  }

  depends_on = [aws_lb_listener.https, aws_msk_scram_secret_association.this, aws_iam_role_policy.execution]
}

# Schema and topics, once before the first start and before each new version; both change nothing when all is there.
resource "aws_ecs_task_definition" "setup" {
  family                   = "${var.name}-setup"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = 1024
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task["project"].arn
  tags                     = local.tags

  container_definitions = jsonencode([
    merge(local.container, {
      name             = "migrate"
      command          = ["tocsin", "migrate"]
      essential        = false
      logConfiguration = local.logs["setup"]
    }),
    merge(local.container, {
      name             = "topics"
      command          = ["tocsin", "topics", "--wait", "60"]
      essential        = true
      logConfiguration = local.logs["setup"]
      dependsOn        = [{ containerName = "migrate", condition = "SUCCESS" }]
    }),
  ])

  volume {
    name = "tmp"
  }

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }
}
