// The stack: everything that a task of the agent needs, and nothing of the app.
//
// Resources are CloudFormation's own (Cfn…), so that the template is what is
// written here, line by line, under the names that are given here.

import { Aws, BootstraplessSynthesizer, CfnCondition, CfnOutput, CfnParameter, Fn, Stack } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Access } from './access';
import { Agent } from './agent';
import { Alarms } from './alarms';
import { Events } from './events';
import { Network } from './network';
import { Proxy } from './proxy';
import { Resolver } from './resolver';

// A host name: exact, in lower case. A wildcard would let an agent write to every
// name below it, and tell its secrets in the name itself.
const host = '([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]([a-z0-9-]*[a-z0-9])?';
const hosts = `${host}(,${host})*`;

/** What the operator says. */
export class Parameters {
  readonly imageTag: CfnParameter;
  readonly vpcCidr: CfnParameter;
  readonly s3PrefixList: CfnParameter;
  readonly appHost: CfnParameter;
  readonly gitHosts: CfnParameter;
  readonly registryHosts: CfnParameter;
  readonly plainHosts: CfnParameter;
  readonly endpointZones: CfnParameter;
  readonly alarmTopic: CfnParameter;

  /** The images are there. */
  readonly pushed: CfnCondition;
  /** Endpoints are wanted in both zones. */
  readonly bothZones: CfnCondition;
  /** There is a topic for alarms. */
  readonly tell: CfnCondition;
  /** All names that may be reached, separated by commas. */
  readonly names: string;

  constructor(scope: Construct) {
    this.imageTag = new CfnParameter(scope, 'ImageTag', {
      description: 'Tag of both images. Without it the stack is made without a running proxy, so that there is somewhere to push them.',
      default: '',
      allowedPattern: '^[A-Za-z0-9_.-]{0,128}$',
    });
    this.vpcCidr = new CfnParameter(scope, 'VpcCidr', {
      description: 'Private addresses of the network that is made: four subnets of 256 are cut from them.',
      default: '10.83.0.0/22',
      allowedPattern: '^(10|172\\.(1[6-9]|2[0-9]|3[01])|192\\.168)(\\.[0-9]{1,3}){2,3}/(1[6-9]|2[0-2])$',
    });
    this.s3PrefixList = new CfnParameter(scope, 'S3PrefixList', {
      description: 'Id of the prefix list com.amazonaws.REGION.s3 in this region.',
      allowedPattern: '^pl-[0-9a-f]{8,17}$',
    });
    this.appHost = new CfnParameter(scope, 'AppHost', {
      description: 'Host of SOULCASTER_PUBLIC_URL, which has to be https on port 443.',
      allowedPattern: `^${host}$`,
    });
    this.gitHosts = new CfnParameter(scope, 'GitHosts', {
      description: 'Hosts to clone from, and the one of the API, where the token for that is revoked.',
      default: 'github.com,codeload.github.com,api.github.com',
      allowedPattern: `^${hosts}$`,
    });
    this.registryHosts = new CfnParameter(scope, 'RegistryHosts', {
      description: 'Hosts of the package registries that agents may use, separated by commas. Whatever can be sent to one of them, an agent can send there.',
      default: '',
      allowedPattern: `^(${hosts})?$`,
    });
    this.plainHosts = new CfnParameter(scope, 'PlainHosts', {
      description: 'Those of RegistryHosts that may also be read without TLS, on port 80.',
      default: '',
      allowedPattern: `^(${hosts})?$`,
    });
    this.endpointZones = new CfnParameter(scope, 'EndpointZones', {
      description: 'In how many zones the endpoints of AWS stand. With 1, no run starts while that zone is down.',
      default: '1',
      allowedValues: ['1', '2'],
    });
    this.alarmTopic = new CfnParameter(scope, 'AlarmTopic', {
      description: 'ARN of an SNS topic that is told of alarms, or none: they are only shown.',
      default: 'none',
      allowedPattern: '^(none|arn:[a-z-]+:sns:.+)$',
    });

    this.pushed = new CfnCondition(scope, 'Pushed', { expression: Fn.conditionNot(Fn.conditionEquals(this.imageTag, '')) });
    this.bothZones = new CfnCondition(scope, 'BothZones', { expression: Fn.conditionEquals(this.endpointZones, '2') });
    this.tell = new CfnCondition(scope, 'Tell', { expression: Fn.conditionNot(Fn.conditionEquals(this.alarmTopic, 'none')) });
    const registries = new CfnCondition(scope, 'Registries', { expression: Fn.conditionNot(Fn.conditionEquals(this.registryHosts, '')) });
    this.names = Fn.conditionIf(
      registries.logicalId,
      Fn.sub('${AppHost},${GitHosts},${RegistryHosts}'),
      Fn.sub('${AppHost},${GitHosts}'),
    ).toString();
  }

  /** The tag to ask for. The placeholder is never pushed, and so never started. */
  tag(): string {
    return Fn.conditionIf(this.pushed.logicalId, this.imageTag.valueAsString, 'not-pushed').toString();
  }
}

export class AgentStack extends Stack {
  constructor(scope: Construct, id: string) {
    super(scope, id, {
      description: 'Where the agents of Soulcaster work: the network, the way out, the task, and what the app may do with them.',
      synthesizer: new BootstraplessSynthesizer(),
      analyticsReporting: false,
    });
    const parameters = new Parameters(this);
    const network = new Network(this, parameters);
    const agent = new Agent(this, parameters);
    const proxy = new Proxy(this, parameters, network);
    network.addEndpoints(this, parameters, [agent.role, proxy.role], [agent.repository, proxy.repository], [agent.log, proxy.log]);
    new Resolver(this, parameters, network);
    const events = new Events(this, agent);
    const access = new Access(this, agent, events);
    new Alarms(this, parameters, proxy, events);

    // The description of an output is the setting that takes its value.
    const setting = (id: string, description: string, value: string) => new CfnOutput(this, id, { description, value });
    setting('Region', 'AWS_REGION', Aws.REGION);
    setting('Cluster', 'SOULCASTER_ECS_CLUSTER', agent.cluster.ref);
    // The family, not a revision: CloudFormation retires the old revision on an update.
    setting('TaskDefinition', 'SOULCASTER_ECS_TASK_DEFINITION', agent.family);
    setting('Subnets', 'SOULCASTER_ECS_SUBNETS', Fn.join(',', network.agentSubnets.map((s) => s.ref)));
    setting('SecurityGroups', 'SOULCASTER_ECS_SECURITY_GROUPS', network.agentGroup.attrGroupId);
    setting('EventsUrl', 'SOULCASTER_ECS_EVENTS', events.queue.ref);
    new CfnOutput(this, 'AppPolicyArn', { description: 'Policy to attach to the role of the app', value: access.policy.ref });
    new CfnOutput(this, 'AgentRepository', { description: 'Where the image of deploy/agent belongs', value: agent.repository.attrRepositoryUri });
    new CfnOutput(this, 'ProxyRepository', { description: 'Where the image of deploy/proxy belongs', value: proxy.repository.attrRepositoryUri });
  }
}
