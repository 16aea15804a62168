import { aws_ecr as ecr, aws_ecs as ecs, aws_iam as iam, aws_logs as logs, aws_servicediscovery as discovery, Fn, Validations } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Network } from './network';
import { executionRole, logTo, repository } from './parts';
import { Parameters } from './stack';

const zone = 'soulcaster.internal';

/** The proxy's name in the network. */
export const proxyName = `proxy.${zone}`;

/**
 * The egress proxy of deploy/proxy: one small task that is always there, found by
 * a private name. A load balancer would cost more than the task. It has a cluster
 * of its own, so that what the app may do in the agents' cluster is about agents.
 */
export class Proxy {
  readonly cluster: ecs.CfnCluster;
  readonly service: ecs.CfnService;
  readonly repository: ecr.CfnRepository;
  readonly role: iam.CfnRole;
  readonly log: logs.CfnLogGroup;

  constructor(scope: Construct, parameters: Parameters, network: Network) {
    const name = Fn.sub('${AWS::StackName}-proxy');
    this.repository = repository(scope, 'ProxyImages', name);
    this.log = new logs.CfnLogGroup(scope, 'ProxyLog', { retentionInDays: 90 });
    this.role = executionRole(scope, 'ProxyExecutionRole', this.repository, this.log, 'ProxyLog');
    this.cluster = new ecs.CfnCluster(scope, 'ProxyCluster', { clusterName: name, capacityProviders: ['FARGATE'] });
    Validations.of(this.cluster).acknowledge({
      id: 'AwsSolutions-ECS4',
      reason: 'One task: its log and the metrics that every service has say enough.',
    });

    const task = new ecs.CfnTaskDefinition(scope, 'ProxyTask', {
      family: name,
      requiresCompatibilities: ['FARGATE'],
      networkMode: 'awsvpc',
      runtimePlatform: { cpuArchitecture: 'X86_64', operatingSystemFamily: 'LINUX' },
      cpu: '256',
      memory: '512',
      executionRoleArn: this.role.attrArn,
      volumes: [{ name: 'state' }],
      containerDefinitions: [{
        name: 'proxy',
        image: Fn.join(':', [this.repository.attrRepositoryUri, parameters.tag()]),
        essential: true,
        privileged: false,
        readonlyRootFilesystem: true,
        stopTimeout: 120, // longer than Squid's shutdown_lifetime
        mountPoints: [{ sourceVolume: 'state', containerPath: '/run/soulcaster-proxy', readOnly: false }],
        linuxParameters: { initProcessEnabled: true, capabilities: { drop: ['ALL'] } },
        environment: [
          { name: 'NAMES', value: parameters.names },
          { name: 'PLAIN', value: parameters.plainHosts.valueAsString },
          { name: 'CLIENTS', value: parameters.vpcCidr.valueAsString },
        ],
        healthCheck: { command: ['CMD', '/usr/local/lib/soulcaster-proxy/healthy'], interval: 30, timeout: 5, retries: 3, startPeriod: 30 },
        logConfiguration: logTo(this.log, 'proxy'),
      }],
    });
    Validations.of(task).acknowledge({ id: 'AwsSolutions-ECS2', reason: 'The list of names is no secret.' });

    const names = new discovery.CfnPrivateDnsNamespace(scope, 'ProxyNames', { name: zone, vpc: network.vpc.ref });
    const entry = new discovery.CfnService(scope, 'ProxyName', {
      name: 'proxy',
      namespaceId: names.attrId,
      dnsConfig: { dnsRecords: [{ type: 'A', ttl: 10 }], routingPolicy: 'MULTIVALUE' },
      healthCheckCustomConfig: { failureThreshold: 1 },
    });
    this.service = new ecs.CfnService(scope, 'ProxyService', {
      serviceName: name,
      cluster: this.cluster.ref,
      taskDefinition: task.ref,
      launchType: 'FARGATE',
      desiredCount: 0,
      // The old one goes when the new one is there.
      deploymentConfiguration: { minimumHealthyPercent: 100, maximumPercent: 200, deploymentCircuitBreaker: { enable: true, rollback: true } },
      enableExecuteCommand: false,
      networkConfiguration: {
        awsvpcConfiguration: {
          subnets: network.proxySubnets.map((s) => s.ref),
          securityGroups: [network.proxyGroup.attrGroupId],
          assignPublicIp: 'ENABLED',
        },
      },
      serviceRegistries: [{ registryArn: entry.attrArn }],
    });
    this.service.addPropertyOverride('DesiredCount', Fn.conditionIf(parameters.pushed.logicalId, 1, 0));
    this.service.addResourceDependency(network.wayOut);
  }
}
