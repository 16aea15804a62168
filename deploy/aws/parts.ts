// What the agent and the proxy have in common.

import { aws_ecr as ecr, aws_iam as iam, aws_logs as logs, Aws, Validations } from 'aws-cdk-lib';
import { Construct } from 'constructs';

/** A place for the images of one name. A tag, once pushed, stays what it is. */
export function repository(scope: Construct, id: string, repositoryName: string): ecr.CfnRepository {
  return new ecr.CfnRepository(scope, id, {
    repositoryName,
    imageTagMutability: 'IMMUTABLE',
    imageScanningConfiguration: { scanOnPush: true },
    encryptionConfiguration: { encryptionType: 'AES256' },
    emptyOnDelete: true, // so that the stack can be removed: images can be built again
    lifecyclePolicy: {
      lifecyclePolicyText: JSON.stringify({
        rules: [{
          rulePriority: 1,
          description: 'Keep the last twenty',
          selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 20 },
          action: { type: 'expire' },
        }],
      }),
    },
  });
}

/**
 * The role that ECS itself takes to start a task: it pulls that one image and
 * writes that one log. No container can use it.
 */
export function executionRole(scope: Construct, id: string, images: ecr.CfnRepository, log: logs.CfnLogGroup, logId: string): iam.CfnRole {
  const role = new iam.CfnRole(scope, id, {
    assumeRolePolicyDocument: {
      Version: '2012-10-17',
      Statement: [{
        Effect: 'Allow',
        Principal: { Service: 'ecs-tasks.amazonaws.com' },
        Action: 'sts:AssumeRole',
        Condition: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }],
    },
    policies: [{
      policyName: 'start',
      policyDocument: {
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Action: 'ecr:GetAuthorizationToken', Resource: '*' },
          { Effect: 'Allow', Action: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'], Resource: images.attrArn },
          { Effect: 'Allow', Action: ['logs:CreateLogStream', 'logs:PutLogEvents'], Resource: log.attrArn },
        ],
      },
    }],
  });
  Validations.of(role).acknowledge(
    { id: 'AwsSolutions-IAM5[Resource::*]', reason: 'ecr:GetAuthorizationToken knows no resources.' },
    { id: `AwsSolutions-IAM5[Resource::<${logId}.Arn>]`, reason: 'GetAtt Arn of a log group ends with :*, which is its streams. ECS names them.' },
  );
  return role;
}

/** The log of a container, which must never make it wait. */
export function logTo(group: logs.CfnLogGroup, prefix: string) {
  return {
    logDriver: 'awslogs',
    options: {
      'awslogs-group': group.ref,
      'awslogs-region': Aws.REGION,
      'awslogs-stream-prefix': prefix,
      mode: 'non-blocking',
      'max-buffer-size': '4m',
    },
  };
}
