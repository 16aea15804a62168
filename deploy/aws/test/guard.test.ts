// Each rule of guard/ finds what it is for: the template is broken in one way, and
// the rule, by name, must say so.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(__dirname, '..', '..');
const system = process.platform === 'darwin' ? 'macos' : 'ubuntu';
const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const guard = join(root, `node_modules/@cdklabs/cdk-validator-cfnguard/bin/${system}/${machine}/cfn-guard`);
const rules = join(root, 'guard/agent.guard');
const template = readFileSync(join(root, 'soulcaster-agent.template.json'), 'utf8');

/** Names of the rules that a template breaks. */
function broken(text: string): string[] {
  const run = spawnSync(guard, ['validate', '--rules', rules, '--structured', '--output-format', 'json', '--show-summary', 'none'], { input: text, encoding: 'utf8' });
  assert.ok(run.status === 0 || run.status === 19, `cfn-guard: ${run.error ?? run.stderr}`);
  const [report] = JSON.parse(run.stdout);
  return report.not_compliant.map((r: any) => r.Rule.name);
}

test('the committed template breaks no rule', () => assert.deepEqual(broken(template), []));

const wide = { IpProtocol: 'tcp', FromPort: 443, ToPort: 443, CidrIp: '0.0.0.0/0' };
const breaks: [rule: string, how: string, change: (r: any) => void][] = [
  ['no_task_role', 'a role', (r) => { r.AgentTask.Properties.TaskRoleArn = { 'Fn::GetAtt': ['AgentExecutionRole', 'Arn'] }; }],
  ['unprivileged', 'privileged', (r) => { r.AgentTask.Properties.ContainerDefinitions[0].Privileged = true; }],
  ['unprivileged', 'a capability', (r) => { r.AgentTask.Properties.ContainerDefinitions[0].LinuxParameters.Capabilities.Add = ['SYS_PTRACE']; }],
  ['unprivileged', 'a secret', (r) => { r.AgentTask.Properties.ContainerDefinitions[0].Secrets = [{ Name: 'KEY', ValueFrom: 'arn' }]; }],
  ['no_public_address_for_agents', 'an address', (r) => { r.AgentSubnetB.Properties.MapPublicIpOnLaunch = true; }],
  ['no_way_out_for_agents', 'a route', (r) => { r.WayOut.Properties.RouteTableId = { Ref: 'AgentRoutes' }; }],
  ['agents_reach_proxy_and_endpoints_only', 'everything', (r) => { r.AgentGroup.Properties.SecurityGroupEgress.push(wide); }],
  ['agents_reach_proxy_and_endpoints_only', 'no rule, which means everything', (r) => { delete r.AgentGroup.Properties.SecurityGroupEgress; }],
  ['agents_reach_proxy_and_endpoints_only', 'another group', (r) => { r.AgentGroup.Properties.SecurityGroupEgress[0].DestinationSecurityGroupId = { 'Fn::GetAtt': ['Vpc', 'DefaultSecurityGroup'] }; }],
  ['agents_reach_proxy_and_endpoints_only', 'a rule beside the group', (r) => { r.More = { Type: 'AWS::EC2::SecurityGroupEgress', Properties: { GroupId: { 'Fn::GetAtt': ['AgentGroup', 'GroupId'] }, ...wide } }; }],
  ['agents_reach_proxy_and_endpoints_only', 'a way in', (r) => { r.AgentsToProxy.Properties.GroupId = { 'Fn::GetAtt': ['AgentGroup', 'GroupId'] }; }],
  ['groups_admit_groups_only', 'a proxy for everybody', (r) => { r.AgentsToProxy.Properties.CidrIp = '0.0.0.0/0'; }],
  ['immutable_images', 'tags that move', (r) => { r.AgentImages.Properties.ImageTagMutability = 'MUTABLE'; }],
  ['immutable_images', 'no scan', (r) => { r.ProxyImages.Properties.ImageScanningConfiguration.ScanOnPush = false; }],
  ['no_wildcard_actions', 'of a role', (r) => { r.AgentExecutionRole.Properties.Policies[0].PolicyDocument.Statement[0].Action = 'ecr:*'; }],
  ['no_wildcard_actions', 'of the app', (r) => { r.AppPolicy.Properties.PolicyDocument.Statement[1].Action = ['ecs:Describe*']; }],
  ['no_wildcard_actions', 'of an endpoint', (r) => { r.S3Endpoint.Properties.PolicyDocument.Statement[0].Action = '*'; }],
  ['endpoints_are_for_us', 'somebody else', (r) => { delete r.LogsEndpoint.Properties.PolicyDocument.Statement[0].Condition; }],
  ['queues_are_encrypted', 'in the clear', (r) => { r.TaskEvents.Properties.SqsManagedSseEnabled = false; }],
  ['queues_want_tls', 'without TLS', (r) => { r.DeadEventsPolicy.Properties.PolicyDocument.Statement.pop(); }],
];
for (const [rule, how, change] of breaks) {
  test(`${rule}: ${how}`, () => {
    const copy = JSON.parse(template);
    change(copy.Resources);
    assert.ok(broken(JSON.stringify(copy)).includes(rule));
  });
}

test('every rule is broken by a test', () => {
  const all = [...readFileSync(rules, 'utf8').matchAll(/^rule (\w+)/gm)].map((m) => m[1]);
  assert.deepEqual(all.filter((r) => !breaks.some(([rule]) => rule === r)), []);
});
