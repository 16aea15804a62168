// Synthesizes the stack into the folder that CDK_OUTDIR names. It fails when one
// of these finds something: CDK's own check of the template against CloudFormation's
// schemas, cdk-nag, the rules in guard/.

import { App, Validations } from 'aws-cdk-lib';
import { CfnGuardValidator } from '@cdklabs/cdk-validator-cfnguard';
import { AwsSolutionsChecks } from 'cdk-nag';
import { join } from 'node:path';
import { AgentStack } from './stack';

const app = new App({
  context: {
    '@aws-cdk/core:validateAgainstDefaultRules': true, // what the schemas say is an error,
    '@aws-cdk/core:strictCfnValidateErrors': true, // and so is a warning
  },
});
new AgentStack(app, 'soulcaster-agent');
Validations.of(app).addPlugins(
  new AwsSolutionsChecks(app),
  new CfnGuardValidator({ controlTowerRulesEnabled: false, rules: [join(__dirname, '..', 'guard')] }),
);
try {
  app.synth();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
