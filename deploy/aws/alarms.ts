import { aws_cloudwatch as cloudwatch, aws_logs as logs, Aws, Fn } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Events } from './events';
import { Proxy } from './proxy';
import { Parameters } from './stack';

/**
 * What a person should look at. Runs that fail say so themselves, in their status
 * comment and in the app's metrics; these are what the app cannot see.
 */
export class Alarms {
  constructor(scope: Construct, parameters: Parameters, proxy: Proxy, events: Events) {
    const actions = Fn.conditionIf(parameters.tell.logicalId, [parameters.alarmTopic.valueAsString], Aws.NO_VALUE);
    const alarm = (id: string, props: Partial<cloudwatch.CfnAlarmProps>) => {
      const made = new cloudwatch.CfnAlarm(scope, id, {
        period: 300,
        evaluationPeriods: 1,
        statistic: 'Sum',
        comparisonOperator: 'GreaterThanThreshold',
        threshold: 0,
        treatMissingData: 'notBreaching',
        ...props,
      });
      made.addPropertyOverride('AlarmActions', actions);
      return made;
    };

    const refused = { metricNamespace: Aws.STACK_NAME, metricName: 'Refused' };
    new logs.CfnMetricFilter(scope, 'Refused', {
      logGroupName: proxy.log.ref,
      filterPattern: '{ $.status = 407 || $.bump = "terminate" }',
      metricTransformations: [{ ...refused, metricValue: '1', defaultValue: 0 }],
    });
    alarm('ManyRefused', {
      alarmDescription: 'Agents ask the proxy for what is not on the list: a registry is missing there, or somebody tries to get out. The log of the proxy says what.',
      namespace: refused.metricNamespace,
      metricName: refused.metricName,
      threshold: 100,
    });
    alarm('EventsLost', {
      alarmDescription: 'Events about tasks were given up. The app still finds out, later; its queue or its policy is wrong.',
      namespace: 'AWS/SQS',
      metricName: 'ApproximateNumberOfMessagesVisible',
      dimensions: [{ name: 'QueueName', value: events.deadLetters.attrQueueName }],
      statistic: 'Maximum',
    });
    // A service without a task reports no usage at all.
    const down = alarm('ProxyDown', {
      alarmDescription: 'The egress proxy does not run, so no agent reaches anything.',
      namespace: 'AWS/ECS',
      metricName: 'CPUUtilization',
      dimensions: [{ name: 'ClusterName', value: proxy.cluster.ref }, { name: 'ServiceName', value: proxy.service.attrName }],
      statistic: 'SampleCount',
      comparisonOperator: 'LessThanThreshold',
      threshold: 1,
      evaluationPeriods: 3,
      treatMissingData: 'breaching',
    });
    down.cfnOptions.condition = parameters.pushed;
  }
}
