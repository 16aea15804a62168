import { aws_ecr as ecr, aws_ecs as ecs, aws_iam as iam, aws_logs as logs, Aws, Fn, Validations } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { proxyPort } from './network';
import { executionRole, logTo, repository } from './parts';
import { proxyName } from './proxy';
import { Parameters } from './stack';

/** The task that works on one round of a run, and what it needs to start. */
export class Agent {
  readonly cluster: ecs.CfnCluster;
  readonly family = Aws.STACK_NAME;
  readonly repository: ecr.CfnRepository;
  readonly role: iam.CfnRole;
  readonly log: logs.CfnLogGroup;

  constructor(scope: Construct, parameters: Parameters) {
    this.repository = repository(scope, 'AgentImages', Aws.STACK_NAME);
    this.log = new logs.CfnLogGroup(scope, 'AgentLog', { retentionInDays: 30 });
    this.role = executionRole(scope, 'AgentExecutionRole', this.repository, this.log, 'AgentLog');

    this.cluster = new ecs.CfnCluster(scope, 'AgentCluster', {
      clusterName: Aws.STACK_NAME,
      capacityProviders: ['FARGATE', 'FARGATE_SPOT'],
    });
    Validations.of(this.cluster).acknowledge({
      id: 'AwsSolutions-ECS4',
      reason: 'Container Insights bills metrics for every task. The app keeps what became of each run, and its metrics.',
    });

    const proxy = Fn.sub('http://${name}:${port}', { name: proxyName, port: String(proxyPort) });
    // Themselves, and the task's own metadata.
    const direct = 'localhost,127.0.0.1,169.254.170.2';
    const environment = { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: direct, https_proxy: proxy, http_proxy: proxy, no_proxy: direct };

    // There is no taskRoleArn: nothing in the container has any right in AWS.
    const task = new ecs.CfnTaskDefinition(scope, 'AgentTask', {
      family: this.family,
      requiresCompatibilities: ['FARGATE'],
      networkMode: 'awsvpc',
      runtimePlatform: { cpuArchitecture: 'X86_64', operatingSystemFamily: 'LINUX' },
      cpu: '2048',
      memory: '8192',
      ephemeralStorage: { sizeInGiB: 40 },
      executionRoleArn: this.role.attrArn,
      containerDefinitions: [{
        name: 'agent',
        image: Fn.join(':', [this.repository.attrRepositoryUri, parameters.tag()]),
        essential: true,
        // The supervisor. It is root so that it can start Kilo and the repository's
        // commands as another user, and end them; that user is what strangers steer.
        user: 'root',
        privileged: false,
        // Work means writing: the clone, builds, caches of package managers, anywhere
        // that a repository's tools put them. Fargate has no tmpfs to allow just that.
        readonlyRootFilesystem: false,
        linuxParameters: {
          initProcessEnabled: true,
          // Left of the usual ones: CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, and
          // SETPCAP, without which it could not take all of them from the other user.
          capabilities: { drop: ['AUDIT_WRITE', 'FSETID', 'MKNOD', 'NET_BIND_SERVICE', 'NET_RAW', 'SETFCAP', 'SYS_CHROOT'] },
        },
        stopTimeout: 120, // as long as Spot gives: to hand over what there is
        environment: Object.entries(environment).map(([name, value]) => ({ name, value })),
        logConfiguration: logTo(this.log, 'run'),
      }],
    });
    Validations.of(task).acknowledge({
      id: 'AwsSolutions-ECS2',
      reason: 'The addresses of the proxy are no secret. Secrets never come by the environment: each run redeems a claim.',
    });
  }
}
