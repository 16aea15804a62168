import { aws_route53resolver as resolver, Fn } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Network } from './network';
import { proxyName } from './proxy';
import { Parameters } from './stack';

/**
 * Which names may be looked up. A network's resolver answers whatever the security
 * groups say, and asks the name servers of any domain: an agent could write to
 * whoever owns one, in the name itself. So the resolver knows the names that the
 * task and the proxy need and no others. It is one list for both, since it is for
 * the whole network; that an agent can look up what the proxy may reach gives it
 * nothing. The firewall fails closed unless it is told otherwise.
 */
export class Resolver {
  constructor(scope: Construct, parameters: Parameters, network: Network) {
    const list = (id: string, domains: string[]) => new resolver.CfnFirewallDomainList(scope, id, { domains });
    const aws = list('AwsNames', [
      Fn.sub('api.ecr.${AWS::Region}.amazonaws.com'),
      Fn.sub('${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com'),
      Fn.sub('logs.${AWS::Region}.amazonaws.com'),
      Fn.sub('prod-${AWS::Region}-starport-layer-bucket.s3.${AWS::Region}.amazonaws.com'),
      proxyName,
    ]);
    const listed = list('ListedNames', Fn.split(',', parameters.names));
    const all = list('AllNames', ['*']);
    // A listed name may lead on to others (CNAME) that change without notice.
    const allow = { action: 'ALLOW', firewallDomainRedirectionAction: 'TRUST_REDIRECTION_DOMAIN' };
    const rules = new resolver.CfnFirewallRuleGroup(scope, 'Names', {
      firewallRules: [
        { priority: 10, firewallDomainListId: aws.attrId, ...allow },
        { priority: 20, firewallDomainListId: listed.attrId, ...allow },
        { priority: 30, firewallDomainListId: all.attrId, action: 'BLOCK', blockResponse: 'NXDOMAIN' },
      ],
    });
    new resolver.CfnFirewallRuleGroupAssociation(scope, 'NamesInVpc', {
      firewallRuleGroupId: rules.attrId,
      vpcId: network.vpc.ref,
      priority: 101, // the first that may be chosen
    });
  }
}
