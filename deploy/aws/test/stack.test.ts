// What the template says, asked in the words of who relies on it.

import { App } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AgentStack } from '../stack';

const root = join(__dirname, '..', '..');
const template = Template.fromStack(new AgentStack(new App(), 'soulcaster-agent'));
const json = template.toJSON();
const resources = json.Resources as Record<string, { Type: string; Properties: Record<string, any> }>;
const properties = (id: string) => {
  assert.ok(resources[id], `there is no ${id}`);
  return resources[id].Properties;
};
const ofType = (type: string) => Object.entries(resources).filter(([, r]) => r.Type === type).map(([id, r]) => ({ id, ...r.Properties }) as Record<string, any>);
const attribute = (id: string, name: string) => ({ 'Fn::GetAtt': [id, name] });

test('a file is enough: no assets, no bootstrapping, no account', () => {
  assert.equal(json.Rules, undefined);
  assert.equal(json.Parameters.BootstrapVersion, undefined);
  assert.ok(readFileSync(join(root, 'soulcaster-agent.template.json')).length < 51_200, 'CloudFormation wants larger ones from a bucket');
  assert.doesNotMatch(JSON.stringify(json), /cdk-hnb659fds|[^0-9][0-9]{12}[^0-9]|(us|eu|ap)-[a-z]+-[0-9]/);
});

test('the agent has the machine that it was measured on', () => {
  template.hasResourceProperties('AWS::ECS::TaskDefinition', {
    Family: { Ref: 'AWS::StackName' },
    RequiresCompatibilities: ['FARGATE'],
    RuntimePlatform: { CpuArchitecture: 'X86_64', OperatingSystemFamily: 'LINUX' },
    Cpu: '2048',
    Memory: '8192',
    EphemeralStorage: { SizeInGiB: 40 },
    TaskRoleArn: Match.absent(),
    ContainerDefinitions: [Match.objectLike({
      Name: 'agent',
      Essential: true,
      StopTimeout: 120,
      LinuxParameters: Match.objectLike({ InitProcessEnabled: true }),
      LogConfiguration: { LogDriver: 'awslogs', Options: Match.objectLike({ mode: 'non-blocking', 'awslogs-group': { Ref: 'AgentLog' } }) },
    })],
  });
  template.hasResourceProperties('AWS::ECS::Cluster', { CapacityProviders: ['FARGATE', 'FARGATE_SPOT'] });
});

test('the supervisor keeps the capabilities that it needs, and no others', () => {
  const usual = ['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE', 'NET_RAW', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'];
  const dropped: string[] = properties('AgentTask').ContainerDefinitions[0].LinuxParameters.Capabilities.Drop;
  assert.deepEqual(usual.filter((c) => !dropped.includes(c)), ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'SETGID', 'SETPCAP', 'SETUID']);
});

test('the agent is told of the proxy by the name that the network knows', () => {
  const environment: { Name: string; Value: any }[] = properties('AgentTask').ContainerDefinitions[0].Environment;
  const value = (name: string) => environment.find((e) => e.Name === name)?.Value;
  const entry = properties('ProxyName');
  const name = `${entry.Name}.${properties('ProxyNames').Name}`;
  for (const proxy of ['HTTPS_PROXY', 'HTTP_PROXY', 'https_proxy', 'http_proxy']) {
    assert.deepEqual(value(proxy), { 'Fn::Sub': ['http://${name}:${port}', { name, port: '3128' }] });
  }
  assert.equal(value('NO_PROXY'), value('no_proxy'));
  assert.ok(properties('AwsNames').Domains.includes(name), 'the resolver refuses the proxy itself');
  assert.match(readFileSync(join(root, '..', 'proxy', 'squid.conf'), 'utf8'), /^http_port 3128 /m);
});

test('agents reach the proxy, the endpoints and the layers of their image', () => {
  assert.deepEqual(
    properties('AgentGroup').SecurityGroupEgress.map((e: any) => [e.FromPort, e.ToPort, e.DestinationSecurityGroupId ?? e.DestinationPrefixListId]),
    [[3128, 3128, attribute('ProxyGroup', 'GroupId')], [443, 443, attribute('EndpointGroup', 'GroupId')], [443, 443, { Ref: 'S3PrefixList' }]],
  );
  const into = ofType('AWS::EC2::SecurityGroupIngress').map((i) => [i.GroupId['Fn::GetAtt'][0], i.SourceSecurityGroupId['Fn::GetAtt'][0], i.FromPort, i.ToPort]);
  assert.deepEqual(into.sort(), [['EndpointGroup', 'AgentGroup', 443, 443], ['EndpointGroup', 'ProxyGroup', 443, 443], ['ProxyGroup', 'AgentGroup', 3128, 3128]]);
});

test('the only route out is the proxy subnets\'', () => {
  const routes = ofType('AWS::EC2::Route');
  assert.deepEqual(routes.map((r) => r.RouteTableId), [{ Ref: 'ProxyRoutes' }]);
  const table = Object.fromEntries(ofType('AWS::EC2::SubnetRouteTableAssociation').map((a) => [a.SubnetId.Ref, a.RouteTableId.Ref]));
  assert.deepEqual(table, { AgentSubnetA: 'AgentRoutes', AgentSubnetB: 'AgentRoutes', ProxySubnetA: 'ProxyRoutes', ProxySubnetB: 'ProxyRoutes' });
  assert.deepEqual(properties('S3Endpoint').RouteTableIds, [{ Ref: 'AgentRoutes' }]);
  template.resourceCountIs('AWS::EC2::NatGateway', 0);
});

test('endpoints serve our roles alone, and S3 gives layers of images alone', () => {
  const roles = ['AgentExecutionRole', 'ProxyExecutionRole'].map((r) => attribute(r, 'Arn'));
  const interfaces = ofType('AWS::EC2::VPCEndpoint').filter((e) => e.VpcEndpointType === 'Interface');
  assert.deepEqual(interfaces.map((e) => e.ServiceName['Fn::Sub']).sort(), ['ecr.api', 'ecr.dkr', 'logs'].map((s) => `com.amazonaws.\${AWS::Region}.${s}`));
  for (const endpoint of interfaces) {
    assert.equal(endpoint.PrivateDnsEnabled, true);
    for (const statement of endpoint.PolicyDocument.Statement) {
      assert.deepEqual(statement.Condition, { ArnEquals: { 'aws:PrincipalArn': roles } });
    }
  }
  assert.deepEqual(properties('S3Endpoint').PolicyDocument.Statement, [
    { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: { 'Fn::Sub': 'arn:${AWS::Partition}:s3:::prod-${AWS::Region}-starport-layer-bucket/*' } },
  ]);
});

test('the resolver knows the listed names, and the last rule refuses the rest', () => {
  const rules = properties('Names').FirewallRules.map((r: any) => [r.Priority, r.Action, r.FirewallDomainListId['Fn::GetAtt'][0], r.FirewallDomainRedirectionAction]);
  assert.deepEqual(rules, [
    [10, 'ALLOW', 'AwsNames', 'TRUST_REDIRECTION_DOMAIN'],
    [20, 'ALLOW', 'ListedNames', 'TRUST_REDIRECTION_DOMAIN'],
    [30, 'BLOCK', 'AllNames', undefined],
  ]);
  assert.deepEqual(properties('AllNames').Domains, ['*']);
  const [comma, names] = properties('ListedNames').Domains['Fn::Split'];
  assert.equal(comma, ',');
  const environment: { Name: string; Value: any }[] = properties('ProxyTask').ContainerDefinitions[0].Environment;
  assert.deepEqual(names, environment.find((e) => e.Name === 'NAMES')?.Value, 'the proxy and the resolver have different lists');
});

test('the app may do this and nothing else', () => {
  const arn = (rest: string) => ({ 'Fn::Sub': `arn:\${AWS::Partition}:ecs:\${AWS::Region}:\${AWS::AccountId}:${rest}` });
  const inCluster = { ArnEquals: { 'ecs:cluster': attribute('AgentCluster', 'Arn') } };
  const tasks = arn('task/${AgentCluster}/*');
  const statements = properties('AppPolicy').PolicyDocument.Statement.map((s: any) => [s.Effect, s.Action, s.Resource, s.Condition]);
  assert.deepEqual(statements, [
    ['Allow', 'ecs:RunTask', arn('task-definition/${AWS::StackName}:*'), inCluster],
    ['Allow', ['ecs:DescribeTasks', 'ecs:StopTask'], tasks, inCluster],
    ['Allow', 'ecs:ListTasks', '*', inCluster],
    ['Allow', 'ecs:TagResource', tasks, { StringEquals: { 'ecs:CreateAction': 'RunTask' } }],
    ['Allow', 'iam:PassRole', attribute('AgentExecutionRole', 'Arn'), { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } }],
    ['Allow', 'ecs:DescribeClusters', attribute('AgentCluster', 'Arn'), undefined],
    ['Allow', 'ecs:DescribeTaskDefinition', '*', undefined],
    ['Allow', ['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage'], attribute('TaskEvents', 'Arn'), undefined],
  ]);
});

test('events of the agents\' cluster reach the queue', () => {
  const rule = properties('TaskStateChange');
  assert.deepEqual(rule.EventPattern, { source: ['aws.ecs'], 'detail-type': ['ECS Task State Change'], detail: { clusterArn: [attribute('AgentCluster', 'Arn')] } });
  assert.deepEqual(rule.Targets.map((t: any) => [t.Arn, t.DeadLetterConfig.Arn]), [[attribute('TaskEvents', 'Arn'), attribute('DeadEvents', 'Arn')]]);
  const allowed = ofType('AWS::SQS::QueuePolicy').flatMap((p) => p.PolicyDocument.Statement.filter((s: any) => s.Effect === 'Allow').map((s: any) => [p.Queues[0].Ref, s.Principal, s.Action, s.Condition]));
  const condition = { ArnEquals: { 'aws:SourceArn': attribute('TaskStateChange', 'Arn') } };
  assert.deepEqual(allowed.sort(), ['DeadEvents', 'TaskEvents'].map((q) => [q, { Service: 'events.amazonaws.com' }, 'sqs:SendMessage', condition]));
});

test('the proxy runs once the images are there, with nothing to write to but its state', () => {
  assert.deepEqual(properties('ProxyService').DesiredCount, { 'Fn::If': ['Pushed', 1, 0] });
  const proxy = properties('ProxyTask').ContainerDefinitions[0];
  assert.equal(proxy.ReadonlyRootFilesystem, true);
  const lifetime = /^shutdown_lifetime (\d+) seconds$/m.exec(readFileSync(join(root, '..', 'proxy', 'squid.conf'), 'utf8'))?.[1];
  assert.ok(Number(lifetime) > 0 && proxy.StopTimeout > Number(lifetime));
  assert.deepEqual(proxy.LinuxParameters.Capabilities, { Drop: ['ALL'] });
  const dockerfile = readFileSync(join(root, '..', 'proxy', 'Dockerfile'), 'utf8');
  assert.ok(dockerfile.includes(`\nVOLUME ${proxy.MountPoints[0].ContainerPath}\n`));
});

test('outputs are named for the settings that take them', () => {
  const settings = Object.values(json.Outputs as Record<string, { Description: string }>).map((o) => o.Description).filter((d) => /^[A-Z_]+$/.test(d));
  assert.deepEqual(settings.sort(), [
    'AWS_REGION', 'SOULCASTER_ECS_CLUSTER', 'SOULCASTER_ECS_EVENTS', 'SOULCASTER_ECS_SECURITY_GROUPS', 'SOULCASTER_ECS_SUBNETS', 'SOULCASTER_ECS_TASK_DEFINITION',
  ]);
  assert.deepEqual(json.Outputs.Subnets.Value, { 'Fn::Join': [',', [{ Ref: 'AgentSubnetA' }, { Ref: 'AgentSubnetB' }]] });
});

test('parameters take what the proxy takes', () => {
  for (const [parameter, good, bad] of [
    ['RegistryHosts', ['', 'a.example', 'a.example,b-2.example.org'], ['*.example.com', '.example.com', 'a.example, b.example', 'https://a.example', 'a.example:443', '10.0.0.1', 'A.example', 'localhost', 'a.example,']],
    ['AppHost', ['soulcaster.example.com'], ['', 'https://soulcaster.example.com', 'a.example,b.example']],
    ['VpcCidr', ['10.83.0.0/22', '172.20.0.0/16', '192.168.4.0/22'], ['10.83.0.0/24', '8.8.0.0/22', '172.40.0.0/16', '10.83.0.0']],
    ['S3PrefixList', ['pl-63a5400a', 'pl-0123456789abcdef0'], ['', 'pl-', 'com.amazonaws.s3']],
  ] as const) {
    const pattern = new RegExp(json.Parameters[parameter].AllowedPattern);
    for (const value of good) assert.match(value, pattern, parameter);
    for (const value of bad) assert.doesNotMatch(value, pattern, parameter);
  }
});
