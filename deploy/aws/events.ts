import { aws_events as events, aws_sqs as sqs } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Agent } from './agent';

/**
 * What becomes of tasks, told at once. The app also asks every minute: this only
 * makes it hurry, so an event is not worth keeping for long.
 */
export class Events {
  readonly queue: sqs.CfnQueue;
  readonly deadLetters: sqs.CfnQueue;

  constructor(scope: Construct, agent: Agent) {
    this.deadLetters = new sqs.CfnQueue(scope, 'DeadEvents', { sqsManagedSseEnabled: true, messageRetentionPeriod: 14 * 24 * 3600 });
    this.queue = new sqs.CfnQueue(scope, 'TaskEvents', {
      sqsManagedSseEnabled: true,
      messageRetentionPeriod: 3600,
      receiveMessageWaitTimeSeconds: 20,
      visibilityTimeout: 60,
      redrivePolicy: { deadLetterTargetArn: this.deadLetters.attrArn, maxReceiveCount: 5 },
    });
    const rule = new events.CfnRule(scope, 'TaskStateChange', {
      description: 'Tasks of the agents, as they come and go',
      eventPattern: {
        source: ['aws.ecs'],
        'detail-type': ['ECS Task State Change'],
        detail: { clusterArn: [agent.cluster.attrArn] },
      },
      targets: [{ id: 'queue', arn: this.queue.attrArn, deadLetterConfig: { arn: this.deadLetters.attrArn }, retryPolicy: { maximumEventAgeInSeconds: 3600 } }],
    });
    for (const [id, queue] of [['TaskEventsPolicy', this.queue], ['DeadEventsPolicy', this.deadLetters]] as const) {
      new sqs.CfnQueuePolicy(scope, id, {
        queues: [queue.ref],
        policyDocument: {
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Principal: { Service: 'events.amazonaws.com' },
              Action: 'sqs:SendMessage',
              Resource: queue.attrArn,
              Condition: { ArnEquals: { 'aws:SourceArn': rule.attrArn } },
            },
            {
              Effect: 'Deny',
              Principal: '*',
              Action: 'sqs:*',
              Resource: queue.attrArn,
              Condition: { Bool: { 'aws:SecureTransport': 'false' } },
            },
          ],
        },
      });
    }
  }
}
