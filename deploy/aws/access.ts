import { aws_iam as iam, Fn, Validations } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Agent } from './agent';
import { Events } from './events';

/** What the app may do: start, watch and stop agents in their cluster. */
export class Access {
  readonly policy: iam.CfnManagedPolicy;

  constructor(scope: Construct, agent: Agent, events: Events) {
    const inCluster = { ArnEquals: { 'ecs:cluster': agent.cluster.attrArn } };
    const definitions = Fn.sub('arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:task-definition/${AWS::StackName}:*');
    const tasks = Fn.sub('arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:task/${AgentCluster}/*');
    const allow = (Sid: string, Action: string | string[], Resource: string, Condition?: object) => ({ Effect: 'Allow', Sid, Action, Resource, ...(Condition && { Condition }) });
    this.policy = new iam.CfnManagedPolicy(scope, 'AppPolicy', {
      description: 'What Soulcaster may do: start, watch and stop agents',
      policyDocument: {
        Version: '2012-10-17',
        Statement: [
          allow('Start', 'ecs:RunTask', definitions, inCluster),
          allow('Watch', ['ecs:DescribeTasks', 'ecs:StopTask'], tasks, inCluster),
          allow('Find', 'ecs:ListTasks', '*', inCluster),
          allow('Name', 'ecs:TagResource', tasks, { StringEquals: { 'ecs:CreateAction': 'RunTask' } }),
          allow('Hand', 'iam:PassRole', agent.role.attrArn, { StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' } }),
          allow('Check', 'ecs:DescribeClusters', agent.cluster.attrArn),
          allow('CheckTask', 'ecs:DescribeTaskDefinition', '*'),
          allow('Listen', ['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage'], events.queue.attrArn),
        ],
      },
    });
    Validations.of(this.policy).acknowledge(
      { id: 'AwsSolutions-IAM5[Resource::*]', reason: 'DescribeTaskDefinition knows no resources. ListTasks knows none on Fargate, and is bound to the cluster by its condition.' },
      { id: 'AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>:task-definition/<AWS::StackName>:*]', reason: 'Every revision of the one task definition.' },
      { id: 'AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ecs:<AWS::Region>:<AWS::AccountId>:task/<AgentCluster>/*]', reason: 'ECS makes the ids of tasks. They are those of the one cluster.' },
    );
  }
}
