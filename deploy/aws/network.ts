import { aws_ec2 as ec2, aws_ecr as ecr, aws_iam as iam, aws_logs as logs, Aws, Fn, Validations } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Parameters } from './stack';

/** The port that the proxy listens on, as in deploy/proxy. */
export const proxyPort = 3128;

/**
 * A network of its own. Agents are in subnets whose routes lead to no internet;
 * the proxy is in subnets with a route out and has a public address. A NAT gateway
 * in between would cost more than all the rest together and protect nothing more:
 * the proxy's group lets only agents in.
 */
export class Network {
  readonly vpc: ec2.CfnVPC;
  readonly agentSubnets: ec2.CfnSubnet[];
  readonly proxySubnets: ec2.CfnSubnet[];
  readonly agentGroup: ec2.CfnSecurityGroup;
  readonly proxyGroup: ec2.CfnSecurityGroup;
  /** Until this is there the proxy cannot reach anything. */
  readonly wayOut: ec2.CfnRoute;
  private readonly agentRoutes: ec2.CfnRouteTable;
  private readonly endpointGroup: ec2.CfnSecurityGroup;

  constructor(scope: Construct, parameters: Parameters) {
    this.vpc = new ec2.CfnVPC(scope, 'Vpc', {
      cidrBlock: parameters.vpcCidr.valueAsString,
      enableDnsSupport: true,
      enableDnsHostnames: true, // for the names of the endpoints
      tags: [{ key: 'Name', value: Aws.STACK_NAME }],
    });
    const gateway = new ec2.CfnInternetGateway(scope, 'InternetGateway');
    const attached = new ec2.CfnVPCGatewayAttachment(scope, 'InternetGatewayAttachment', { vpcId: this.vpc.ref, internetGatewayId: gateway.ref });

    // No route is ever added to the agents' table but S3's, by its endpoint.
    this.agentRoutes = new ec2.CfnRouteTable(scope, 'AgentRoutes', { vpcId: this.vpc.ref });
    const proxyRoutes = new ec2.CfnRouteTable(scope, 'ProxyRoutes', { vpcId: this.vpc.ref });
    this.wayOut = new ec2.CfnRoute(scope, 'WayOut', { routeTableId: proxyRoutes.ref, destinationCidrBlock: '0.0.0.0/0', gatewayId: gateway.ref });
    this.wayOut.addResourceDependency(attached);
    const subnets = (name: string, first: number, routes: ec2.CfnRouteTable) =>
      [0, 1].map((zone) => {
        const letter = 'AB'.charAt(zone);
        const subnet = new ec2.CfnSubnet(scope, `${name}Subnet${letter}`, {
          vpcId: this.vpc.ref,
          availabilityZone: Fn.select(zone, Fn.getAzs()),
          cidrBlock: Fn.select(first + zone, Fn.cidr(parameters.vpcCidr.valueAsString, 4, '8')),
          mapPublicIpOnLaunch: false,
          tags: [{ key: 'Name', value: Fn.sub(`\${AWS::StackName}-${name.toLowerCase()}-${letter.toLowerCase()}`) }],
        });
        new ec2.CfnSubnetRouteTableAssociation(scope, `${name}Subnet${letter}Routes`, { subnetId: subnet.ref, routeTableId: routes.ref });
        return subnet;
      });
    this.agentSubnets = subnets('Agent', 0, this.agentRoutes);
    this.proxySubnets = subnets('Proxy', 2, proxyRoutes);

    const tcp = (port: number, rest: object) => ({ ipProtocol: 'tcp', fromPort: port, toPort: port, ...rest });
    this.proxyGroup = new ec2.CfnSecurityGroup(scope, 'ProxyGroup', {
      groupDescription: 'The egress proxy: agents in, the web out',
      vpcId: this.vpc.ref,
      securityGroupEgress: [
        tcp(443, { cidrIp: '0.0.0.0/0', description: 'which names: squid.conf' }),
        tcp(80, { cidrIp: '0.0.0.0/0', description: 'PlainHosts' }),
      ],
    });
    this.endpointGroup = new ec2.CfnSecurityGroup(scope, 'EndpointGroup', {
      groupDescription: 'The endpoints of AWS: they begin no connection',
      vpcId: this.vpc.ref,
      // Without any rule, everything would be allowed out.
      securityGroupEgress: [{ ipProtocol: '-1', cidrIp: '127.0.0.1/32', description: 'nothing' }],
    });
    this.agentGroup = new ec2.CfnSecurityGroup(scope, 'AgentGroup', {
      groupDescription: 'Agents: nothing in; out to the proxy, and for their image and log',
      vpcId: this.vpc.ref,
      securityGroupEgress: [
        tcp(proxyPort, { destinationSecurityGroupId: this.proxyGroup.attrGroupId, description: 'the egress proxy' }),
        tcp(443, { destinationSecurityGroupId: this.endpointGroup.attrGroupId, description: 'ECR and CloudWatch Logs' }),
        tcp(443, { destinationPrefixListId: parameters.s3PrefixList.valueAsString, description: 'layers of the image, in S3' }),
      ],
    });
    const into = (id: string, group: ec2.CfnSecurityGroup, from: ec2.CfnSecurityGroup, port: number) =>
      new ec2.CfnSecurityGroupIngress(scope, id, { groupId: group.attrGroupId, ...tcp(port, { sourceSecurityGroupId: from.attrGroupId }), ipProtocol: 'tcp' });
    into('AgentsToProxy', this.proxyGroup, this.agentGroup, proxyPort);
    into('AgentsToEndpoints', this.endpointGroup, this.agentGroup, 443);
    // The endpoints' names hold in the whole network, so the proxy's image comes this way too.
    into('ProxyToEndpoints', this.endpointGroup, this.proxyGroup, 443);

    this.addFlowLog(scope);
  }

  private addFlowLog(scope: Construct): void {
    const log = new logs.CfnLogGroup(scope, 'FlowLog', { retentionInDays: 30 });
    const role = new iam.CfnRole(scope, 'FlowLogRole', {
      assumeRolePolicyDocument: {
        Version: '2012-10-17',
        Statement: [{
          Effect: 'Allow',
          Principal: { Service: 'vpc-flow-logs.amazonaws.com' },
          Action: 'sts:AssumeRole',
          Condition: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
        }],
      },
      policies: [{
        policyName: 'write',
        policyDocument: {
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: ['logs:CreateLogStream', 'logs:DescribeLogStreams', 'logs:PutLogEvents'], Resource: log.attrArn }],
        },
      }],
    });
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::<FlowLog.Arn>]',
      reason: 'GetAtt Arn of a log group ends with :*, which is its streams. The service names them.',
    });
    new ec2.CfnFlowLog(scope, 'Flow', {
      resourceType: 'VPC',
      resourceId: this.vpc.ref,
      trafficType: 'ALL',
      logGroupName: log.ref,
      deliverLogsPermissionArn: role.attrArn,
    });
  }

  /**
   * Adds the endpoints that agents get their image through and write their log to.
   * Each lets through only what our two roles do with our own repositories and logs:
   * else an agent could bring credentials of somebody's own account along, and carry
   * out in that account's images or logs what the proxy would not let pass.
   */
  addEndpoints(scope: Construct, parameters: Parameters, roles: iam.CfnRole[], repositories: ecr.CfnRepository[], groups: logs.CfnLogGroup[]): void {
    const ours = { ArnEquals: { 'aws:PrincipalArn': roles.map((r) => r.attrArn) } };
    const policy = (...statements: object[]) => ({
      Version: '2012-10-17',
      Statement: statements.map((s) => ({ Effect: 'Allow', Principal: '*', ...s })),
    });
    const images = policy(
      { Action: 'ecr:GetAuthorizationToken', Resource: '*', Condition: ours },
      { Action: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'], Resource: repositories.map((r) => r.attrArn), Condition: ours },
    );
    const log = policy({ Action: ['logs:CreateLogStream', 'logs:PutLogEvents'], Resource: groups.map((g) => g.attrArn), Condition: ours });
    const zones = Fn.conditionIf(parameters.bothZones.logicalId, this.agentSubnets.map((s) => s.ref), [this.agentSubnets[0]!.ref]);
    for (const [id, service, policyDocument] of [['EcrApi', 'ecr.api', images], ['EcrDkr', 'ecr.dkr', images], ['Logs', 'logs', log]] as const) {
      const endpoint = new ec2.CfnVPCEndpoint(scope, `${id}Endpoint`, {
        vpcEndpointType: 'Interface',
        serviceName: Fn.sub(`com.amazonaws.\${AWS::Region}.${service}`),
        vpcId: this.vpc.ref,
        privateDnsEnabled: true,
        securityGroupIds: [this.endpointGroup.attrGroupId],
        policyDocument,
      });
      endpoint.addPropertyOverride('SubnetIds', zones);
    }
    // ECR hands out addresses in a bucket of its own, signed by itself, so no role
    // can be asked for. In the agents' routes alone: the proxy goes out to S3 like
    // to any other name on the list, since registries keep packages there.
    new ec2.CfnVPCEndpoint(scope, 'S3Endpoint', {
      vpcEndpointType: 'Gateway',
      serviceName: Fn.sub('com.amazonaws.${AWS::Region}.s3'),
      vpcId: this.vpc.ref,
      routeTableIds: [this.agentRoutes.ref],
      policyDocument: policy({ Action: 's3:GetObject', Resource: Fn.sub('arn:${AWS::Partition}:s3:::prod-${AWS::Region}-starport-layer-bucket/*') }),
    });
  }
}
