/// The fields of Kubernetes' own types that are reached from the kinds that are read here or served by a twin (names, numbers and types of k8s.io/api 0.37).
///
/// A type a line, and its fields as `name=number:type`; a line that begins with spaces goes on with the type before. The number is the field's in
/// protobuf; `1.3` is field 3 of the message in field 1, which JSON does not show. `[]` stands for a list, `{}` for a map by strings. s string,
/// b boolean, i and l integers of 32 and 64 bits, d number, y bytes in base64, t time, q quantity, x integer or string, o any object;
/// everything else is a type of this table.
enum BuiltInTypes {
    static let table = """
        apps.v1.DaemonSet metadata=1:meta.v1.ObjectMeta spec=2:apps.v1.DaemonSetSpec status=3:apps.v1.DaemonSetStatus
        apps.v1.DaemonSetCondition type=1:s status=2:s lastTransitionTime=3:t reason=4:s message=5:s
        apps.v1.DaemonSetSpec selector=1:meta.v1.LabelSelector template=2:core.v1.PodTemplateSpec
          updateStrategy=3:apps.v1.DaemonSetUpdateStrategy minReadySeconds=4:i revisionHistoryLimit=6:i
        apps.v1.DaemonSetStatus currentNumberScheduled=1:i numberMisscheduled=2:i desiredNumberScheduled=3:i numberReady=4:i
          observedGeneration=5:l updatedNumberScheduled=6:i numberAvailable=7:i numberUnavailable=8:i collisionCount=9:i
          conditions=10:[]apps.v1.DaemonSetCondition
        apps.v1.DaemonSetUpdateStrategy type=1:s rollingUpdate=2:apps.v1.RollingUpdateDaemonSet
        apps.v1.Deployment metadata=1:meta.v1.ObjectMeta spec=2:apps.v1.DeploymentSpec status=3:apps.v1.DeploymentStatus
        apps.v1.DeploymentCondition type=1:s status=2:s reason=4:s message=5:s lastUpdateTime=6:t lastTransitionTime=7:t
        apps.v1.DeploymentSpec replicas=1:i selector=2:meta.v1.LabelSelector template=3:core.v1.PodTemplateSpec
          strategy=4:apps.v1.DeploymentStrategy minReadySeconds=5:i revisionHistoryLimit=6:i paused=7:b progressDeadlineSeconds=9:i
        apps.v1.DeploymentStatus observedGeneration=1:l replicas=2:i updatedReplicas=3:i availableReplicas=4:i unavailableReplicas=5:i
          conditions=6:[]apps.v1.DeploymentCondition readyReplicas=7:i collisionCount=8:i terminatingReplicas=9:i
        apps.v1.DeploymentStrategy type=1:s rollingUpdate=2:apps.v1.RollingUpdateDeployment
        apps.v1.ReplicaSet metadata=1:meta.v1.ObjectMeta spec=2:apps.v1.ReplicaSetSpec status=3:apps.v1.ReplicaSetStatus
        apps.v1.ReplicaSetCondition type=1:s status=2:s lastTransitionTime=3:t reason=4:s message=5:s
        apps.v1.ReplicaSetSpec replicas=1:i selector=2:meta.v1.LabelSelector template=3:core.v1.PodTemplateSpec minReadySeconds=4:i
        apps.v1.ReplicaSetStatus replicas=1:i fullyLabeledReplicas=2:i observedGeneration=3:l readyReplicas=4:i availableReplicas=5:i
          conditions=6:[]apps.v1.ReplicaSetCondition terminatingReplicas=7:i
        apps.v1.RollingUpdateDaemonSet maxUnavailable=1:x maxSurge=2:x
        apps.v1.RollingUpdateDeployment maxUnavailable=1:x maxSurge=2:x
        apps.v1.RollingUpdateStatefulSetStrategy partition=1:i maxUnavailable=2:x
        apps.v1.StatefulSet metadata=1:meta.v1.ObjectMeta spec=2:apps.v1.StatefulSetSpec status=3:apps.v1.StatefulSetStatus
        apps.v1.StatefulSetCondition type=1:s status=2:s lastTransitionTime=3:t reason=4:s message=5:s
        apps.v1.StatefulSetOrdinals start=1:i
        apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy whenDeleted=1:s whenScaled=2:s
        apps.v1.StatefulSetSpec replicas=1:i selector=2:meta.v1.LabelSelector template=3:core.v1.PodTemplateSpec
          volumeClaimTemplates=4:[]core.v1.PersistentVolumeClaim serviceName=5:s podManagementPolicy=6:s
          updateStrategy=7:apps.v1.StatefulSetUpdateStrategy revisionHistoryLimit=8:i minReadySeconds=9:i
          persistentVolumeClaimRetentionPolicy=10:apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy
          ordinals=11:apps.v1.StatefulSetOrdinals
        apps.v1.StatefulSetStatus observedGeneration=1:l replicas=2:i readyReplicas=3:i currentReplicas=4:i updatedReplicas=5:i
          currentRevision=6:s updateRevision=7:s collisionCount=9:i conditions=10:[]apps.v1.StatefulSetCondition availableReplicas=11:i
        apps.v1.StatefulSetUpdateStrategy type=1:s rollingUpdate=2:apps.v1.RollingUpdateStatefulSetStrategy
        batch.v1.Job metadata=1:meta.v1.ObjectMeta spec=2:batch.v1.JobSpec status=3:batch.v1.JobStatus
        batch.v1.JobCondition type=1:s status=2:s lastProbeTime=3:t lastTransitionTime=4:t reason=5:s message=6:s
        batch.v1.JobSchedulingConfiguration schedulingPolicy=1:scheduling.v1alpha3.WorkloadPodGroupSchedulingPolicy
          schedulingConstraints=2:scheduling.v1alpha3.WorkloadPodGroupSchedulingConstraints
          disruptionMode=3:scheduling.v1alpha3.WorkloadPodGroupDisruptionMode
          resourceClaims=4:[]scheduling.v1alpha3.WorkloadPodGroupResourceClaim
        batch.v1.JobSpec parallelism=1:i completions=2:i activeDeadlineSeconds=3:l selector=4:meta.v1.LabelSelector manualSelector=5:b
          template=6:core.v1.PodTemplateSpec backoffLimit=7:i ttlSecondsAfterFinished=8:i completionMode=9:s suspend=10:b
          podFailurePolicy=11:batch.v1.PodFailurePolicy backoffLimitPerIndex=12:i maxFailedIndexes=13:i podReplacementPolicy=14:s
          managedBy=15:s successPolicy=16:batch.v1.SuccessPolicy scheduling=17:batch.v1.JobSchedulingConfiguration
        batch.v1.JobStatus conditions=1:[]batch.v1.JobCondition startTime=2:t completionTime=3:t active=4:i succeeded=5:i failed=6:i
          completedIndexes=7:s uncountedTerminatedPods=8:batch.v1.UncountedTerminatedPods ready=9:i failedIndexes=10:s terminating=11:i
        batch.v1.PodFailurePolicy rules=1:[]batch.v1.PodFailurePolicyRule
        batch.v1.PodFailurePolicyOnExitCodesRequirement containerName=1:s operator=2:s values=3:[]i
        batch.v1.PodFailurePolicyOnPodConditionsPattern type=1:s status=2:s
        batch.v1.PodFailurePolicyRule action=1:s onExitCodes=2:batch.v1.PodFailurePolicyOnExitCodesRequirement
          onPodConditions=3:[]batch.v1.PodFailurePolicyOnPodConditionsPattern
        batch.v1.SuccessPolicy rules=1:[]batch.v1.SuccessPolicyRule
        batch.v1.SuccessPolicyRule succeededIndexes=1:s succeededCount=2:i
        batch.v1.UncountedTerminatedPods succeeded=1:[]s failed=2:[]s
        coordination.v1.Lease metadata=1:meta.v1.ObjectMeta spec=2:coordination.v1.LeaseSpec
        coordination.v1.LeaseSpec holderIdentity=1:s leaseDurationSeconds=2:i acquireTime=3:t renewTime=4:t leaseTransitions=5:i
          strategy=6:s preferredHolder=7:s
        core.v1.AWSElasticBlockStoreVolumeSource volumeID=1:s fsType=2:s partition=3:i readOnly=4:b
        core.v1.Affinity nodeAffinity=1:core.v1.NodeAffinity podAffinity=2:core.v1.PodAffinity podAntiAffinity=3:core.v1.PodAntiAffinity
        core.v1.AppArmorProfile type=1:s localhostProfile=2:s
        core.v1.AttachedVolume name=1:s devicePath=2:s
        core.v1.AzureDiskVolumeSource diskName=1:s diskURI=2:s cachingMode=3:s fsType=4:s readOnly=5:b kind=6:s
        core.v1.AzureFileVolumeSource secretName=1:s shareName=2:s readOnly=3:b
        core.v1.CSIVolumeSource driver=1:s readOnly=2:b fsType=3:s volumeAttributes=4:{}s
          nodePublishSecretRef=5:core.v1.LocalObjectReference
        core.v1.Capabilities add=1:[]s drop=2:[]s
        core.v1.CephFSVolumeSource monitors=1:[]s path=2:s user=3:s secretFile=4:s secretRef=5:core.v1.LocalObjectReference readOnly=6:b
        core.v1.CinderVolumeSource volumeID=1:s fsType=2:s readOnly=3:b secretRef=4:core.v1.LocalObjectReference
        core.v1.ClientIPConfig timeoutSeconds=1:i
        core.v1.ClusterTrustBundleProjection name=1:s signerName=2:s labelSelector=3:meta.v1.LabelSelector path=4:s optional=5:b user=6:l
        core.v1.ConfigMap metadata=1:meta.v1.ObjectMeta data=2:{}s binaryData=3:{}y immutable=4:b
        core.v1.ConfigMapEnvSource name=1.1:s optional=2:b
        core.v1.ConfigMapKeySelector name=1.1:s key=2:s optional=3:b
        core.v1.ConfigMapNodeConfigSource namespace=1:s name=2:s uid=3:s resourceVersion=4:s kubeletConfigKey=5:s
        core.v1.ConfigMapProjection name=1.1:s items=2:[]core.v1.KeyToPath optional=4:b
        core.v1.ConfigMapVolumeSource name=1.1:s items=2:[]core.v1.KeyToPath defaultMode=3:i optional=4:b defaultUser=5:l
        core.v1.Container name=1:s image=2:s command=3:[]s args=4:[]s workingDir=5:s ports=6:[]core.v1.ContainerPort env=7:[]core.v1.EnvVar
          resources=8:core.v1.ResourceRequirements volumeMounts=9:[]core.v1.VolumeMount livenessProbe=10:core.v1.Probe
          readinessProbe=11:core.v1.Probe lifecycle=12:core.v1.Lifecycle terminationMessagePath=13:s imagePullPolicy=14:s
          securityContext=15:core.v1.SecurityContext stdin=16:b stdinOnce=17:b tty=18:b envFrom=19:[]core.v1.EnvFromSource
          terminationMessagePolicy=20:s volumeDevices=21:[]core.v1.VolumeDevice startupProbe=22:core.v1.Probe
          resizePolicy=23:[]core.v1.ContainerResizePolicy restartPolicy=24:s restartPolicyRules=25:[]core.v1.ContainerRestartRule
        core.v1.ContainerExtendedResourceRequest containerName=1:s resourceName=2:s requestName=3:s
        core.v1.ContainerImage names=1:[]s sizeBytes=2:l
        core.v1.ContainerPort name=1:s hostPort=2:i containerPort=3:i protocol=4:s hostIP=5:s
        core.v1.ContainerResizePolicy resourceName=1:s restartPolicy=2:s
        core.v1.ContainerRestartRule action=1:s exitCodes=2:core.v1.ContainerRestartRuleOnExitCodes
        core.v1.ContainerRestartRuleOnExitCodes operator=1:s values=2:[]i
        core.v1.ContainerState waiting=1:core.v1.ContainerStateWaiting running=2:core.v1.ContainerStateRunning
          terminated=3:core.v1.ContainerStateTerminated
        core.v1.ContainerStateRunning startedAt=1:t
        core.v1.ContainerStateTerminated exitCode=1:i signal=2:i reason=3:s message=4:s startedAt=5:t finishedAt=6:t containerID=7:s
        core.v1.ContainerStateWaiting reason=1:s message=2:s
        core.v1.ContainerStatus name=1:s state=2:core.v1.ContainerState lastState=3:core.v1.ContainerState ready=4:b restartCount=5:i
          image=6:s imageID=7:s containerID=8:s started=9:b allocatedResources=10:{}q resources=11:core.v1.ResourceRequirements
          volumeMounts=12:[]core.v1.VolumeMountStatus user=13:core.v1.ContainerUser allocatedResourcesStatus=14:[]core.v1.ResourceStatus
          stopSignal=15:s
        core.v1.ContainerUser linux=1:core.v1.LinuxContainerUser
        core.v1.DaemonEndpoint Port=1:i
        core.v1.DownwardAPIProjection items=1:[]core.v1.DownwardAPIVolumeFile
        core.v1.DownwardAPIVolumeFile path=1:s fieldRef=2:core.v1.ObjectFieldSelector resourceFieldRef=3:core.v1.ResourceFieldSelector
          mode=4:i user=5:l
        core.v1.DownwardAPIVolumeSource items=1:[]core.v1.DownwardAPIVolumeFile defaultMode=2:i defaultUser=3:l
        core.v1.EmptyDirVolumeSource medium=1:s sizeLimit=2:q mode=3:i
        core.v1.EnvFromSource prefix=1:s configMapRef=2:core.v1.ConfigMapEnvSource secretRef=3:core.v1.SecretEnvSource
        core.v1.EnvVar name=1:s value=2:s valueFrom=3:core.v1.EnvVarSource
        core.v1.EnvVarSource fieldRef=1:core.v1.ObjectFieldSelector resourceFieldRef=2:core.v1.ResourceFieldSelector
          configMapKeyRef=3:core.v1.ConfigMapKeySelector secretKeyRef=4:core.v1.SecretKeySelector fileKeyRef=5:core.v1.FileKeySelector
        core.v1.EphemeralContainer name=1.1:s image=1.2:s command=1.3:[]s args=1.4:[]s workingDir=1.5:s ports=1.6:[]core.v1.ContainerPort
          env=1.7:[]core.v1.EnvVar resources=1.8:core.v1.ResourceRequirements volumeMounts=1.9:[]core.v1.VolumeMount
          livenessProbe=1.10:core.v1.Probe readinessProbe=1.11:core.v1.Probe lifecycle=1.12:core.v1.Lifecycle terminationMessagePath=1.13:s
          imagePullPolicy=1.14:s securityContext=1.15:core.v1.SecurityContext stdin=1.16:b stdinOnce=1.17:b tty=1.18:b
          envFrom=1.19:[]core.v1.EnvFromSource terminationMessagePolicy=1.20:s volumeDevices=1.21:[]core.v1.VolumeDevice
          startupProbe=1.22:core.v1.Probe resizePolicy=1.23:[]core.v1.ContainerResizePolicy restartPolicy=1.24:s
          restartPolicyRules=1.25:[]core.v1.ContainerRestartRule targetContainerName=2:s
        core.v1.EphemeralVolumeSource volumeClaimTemplate=1:core.v1.PersistentVolumeClaimTemplate
        core.v1.Event metadata=1:meta.v1.ObjectMeta involvedObject=2:core.v1.ObjectReference reason=3:s message=4:s
          source=5:core.v1.EventSource firstTimestamp=6:t lastTimestamp=7:t count=8:i type=9:s eventTime=10:t series=11:core.v1.EventSeries
          action=12:s related=13:core.v1.ObjectReference reportingComponent=14:s reportingInstance=15:s
        core.v1.EventSeries count=1:i lastObservedTime=2:t
        core.v1.EventSource component=1:s host=2:s
        core.v1.EvictionResponder name=1:s priority=2:i
        core.v1.ExecAction command=1:[]s
        core.v1.FCVolumeSource targetWWNs=1:[]s lun=2:i fsType=3:s readOnly=4:b wwids=5:[]s
        core.v1.FileKeySelector volumeName=1:s path=2:s key=3:s optional=4:b
        core.v1.FlexVolumeSource driver=1:s fsType=2:s secretRef=3:core.v1.LocalObjectReference readOnly=4:b options=5:{}s
        core.v1.FlockerVolumeSource datasetName=1:s datasetUUID=2:s
        core.v1.GCEPersistentDiskVolumeSource pdName=1:s fsType=2:s partition=3:i readOnly=4:b
        core.v1.GRPCAction port=1:i service=2:s mode=3:s
        core.v1.GitRepoVolumeSource repository=1:s revision=2:s directory=3:s
        core.v1.GlusterfsVolumeSource endpoints=1:s path=2:s readOnly=3:b
        core.v1.HTTPGetAction path=1:s port=2:x host=3:s scheme=4:s httpHeaders=5:[]core.v1.HTTPHeader protocol=6:s
        core.v1.HTTPHeader name=1:s value=2:s
        core.v1.HostAlias ip=1:s hostnames=2:[]s
        core.v1.HostIP ip=1:s
        core.v1.HostPathVolumeSource path=1:s type=2:s
        core.v1.ISCSIVolumeSource targetPortal=1:s iqn=2:s lun=3:i iscsiInterface=4:s fsType=5:s readOnly=6:b portals=7:[]s
          chapAuthDiscovery=8:b secretRef=10:core.v1.LocalObjectReference chapAuthSession=11:b initiatorName=12:s
        core.v1.ImageVolumeSource reference=1:s pullPolicy=2:s
        core.v1.ImageVolumeStatus imageRef=1:s
        core.v1.KeyToPath key=1:s path=2:s mode=3:i user=4:l
        core.v1.Lifecycle postStart=1:core.v1.LifecycleHandler preStop=2:core.v1.LifecycleHandler stopSignal=3:s
        core.v1.LifecycleHandler exec=1:core.v1.ExecAction httpGet=2:core.v1.HTTPGetAction tcpSocket=3:core.v1.TCPSocketAction
          sleep=4:core.v1.SleepAction
        core.v1.LinuxContainerUser uid=1:l gid=2:l supplementalGroups=3:[]l
        core.v1.LoadBalancerIngress ip=1:s hostname=2:s ipMode=3:s ports=4:[]core.v1.PortStatus
        core.v1.LoadBalancerStatus ingress=1:[]core.v1.LoadBalancerIngress
        core.v1.LocalObjectReference name=1:s
        core.v1.ModifyVolumeStatus targetVolumeAttributesClassName=1:s status=2:s
        core.v1.NFSVolumeSource server=1:s path=2:s readOnly=3:b
        core.v1.Namespace metadata=1:meta.v1.ObjectMeta spec=2:core.v1.NamespaceSpec status=3:core.v1.NamespaceStatus
        core.v1.NamespaceCondition type=1:s status=2:s lastTransitionTime=4:t reason=5:s message=6:s
        core.v1.NamespaceSpec finalizers=1:[]s
        core.v1.NamespaceStatus phase=1:s conditions=2:[]core.v1.NamespaceCondition
        core.v1.Node metadata=1:meta.v1.ObjectMeta spec=2:core.v1.NodeSpec status=3:core.v1.NodeStatus
        core.v1.NodeAddress type=1:s address=2:s
        core.v1.NodeAffinity requiredDuringSchedulingIgnoredDuringExecution=1:core.v1.NodeSelector
          preferredDuringSchedulingIgnoredDuringExecution=2:[]core.v1.PreferredSchedulingTerm
        core.v1.NodeAllocatableMappedResources name=1:s quantity=2:q
        core.v1.NodeAllocatableOverheadResources name=1:s perPod=2:q perContainer=3:q
        core.v1.NodeAllocatableResourceClaimStatus resourceClaimName=1:s containers=2:[]s mapping=4:[]core.v1.NodeAllocatableMappedResources
          overhead=5:[]core.v1.NodeAllocatableOverheadResources
        core.v1.NodeCondition type=1:s status=2:s lastHeartbeatTime=3:t lastTransitionTime=4:t reason=5:s message=6:s
        core.v1.NodeConfigSource configMap=2:core.v1.ConfigMapNodeConfigSource
        core.v1.NodeConfigStatus assigned=1:core.v1.NodeConfigSource active=2:core.v1.NodeConfigSource
          lastKnownGood=3:core.v1.NodeConfigSource error=4:s
        core.v1.NodeDaemonEndpoints kubeletEndpoint=1:core.v1.DaemonEndpoint
        core.v1.NodeFeatures supplementalGroupsPolicy=1:b
        core.v1.NodePodPreemptionPolicy disableResizePreemption=1:[]s
        core.v1.NodeRuntimeHandler name=1:s features=2:core.v1.NodeRuntimeHandlerFeatures
        core.v1.NodeRuntimeHandlerFeatures recursiveReadOnlyMounts=1:b userNamespaces=2:b
        core.v1.NodeSelector nodeSelectorTerms=1:[]core.v1.NodeSelectorTerm
        core.v1.NodeSelectorRequirement key=1:s operator=2:s values=3:[]s
        core.v1.NodeSelectorTerm matchExpressions=1:[]core.v1.NodeSelectorRequirement matchFields=2:[]core.v1.NodeSelectorRequirement
        core.v1.NodeSpec podCIDR=1:s externalID=2:s providerID=3:s unschedulable=4:b taints=5:[]core.v1.Taint
          configSource=6:core.v1.NodeConfigSource podCIDRs=7:[]s podPreemptionPolicy=8:core.v1.NodePodPreemptionPolicy
        core.v1.NodeStatus capacity=1:{}q allocatable=2:{}q phase=3:s conditions=4:[]core.v1.NodeCondition addresses=5:[]core.v1.NodeAddress
          daemonEndpoints=6:core.v1.NodeDaemonEndpoints nodeInfo=7:core.v1.NodeSystemInfo images=8:[]core.v1.ContainerImage
          volumesInUse=9:[]s volumesAttached=10:[]core.v1.AttachedVolume config=11:core.v1.NodeConfigStatus
          runtimeHandlers=12:[]core.v1.NodeRuntimeHandler features=13:core.v1.NodeFeatures declaredFeatures=14:[]s
        core.v1.NodeSwapStatus capacity=1:l
        core.v1.NodeSystemInfo machineID=1:s systemUUID=2:s bootID=3:s kernelVersion=4:s osImage=5:s containerRuntimeVersion=6:s
          kubeletVersion=7:s kubeProxyVersion=8:s operatingSystem=9:s architecture=10:s swap=11:core.v1.NodeSwapStatus
        core.v1.ObjectFieldSelector apiVersion=1:s fieldPath=2:s
        core.v1.ObjectReference kind=1:s namespace=2:s name=3:s uid=4:s apiVersion=5:s resourceVersion=6:s fieldPath=7:s
        core.v1.PersistentVolumeClaim metadata=1:meta.v1.ObjectMeta spec=2:core.v1.PersistentVolumeClaimSpec
          status=3:core.v1.PersistentVolumeClaimStatus
        core.v1.PersistentVolumeClaimCondition type=1:s status=2:s lastProbeTime=3:t lastTransitionTime=4:t reason=5:s message=6:s
        core.v1.PersistentVolumeClaimSpec accessModes=1:[]s resources=2:core.v1.VolumeResourceRequirements volumeName=3:s
          selector=4:meta.v1.LabelSelector storageClassName=5:s volumeMode=6:s dataSource=7:core.v1.TypedLocalObjectReference
          dataSourceRef=8:core.v1.TypedObjectReference volumeAttributesClassName=9:s
        core.v1.PersistentVolumeClaimStatus phase=1:s accessModes=2:[]s capacity=3:{}q conditions=4:[]core.v1.PersistentVolumeClaimCondition
          allocatedResources=5:{}q allocatedResourceStatuses=7:{}s currentVolumeAttributesClassName=8:s
          modifyVolumeStatus=9:core.v1.ModifyVolumeStatus healthStatus=10:core.v1.VolumeHealthStatus
        core.v1.PersistentVolumeClaimTemplate metadata=1:meta.v1.ObjectMeta spec=2:core.v1.PersistentVolumeClaimSpec
        core.v1.PersistentVolumeClaimVolumeSource claimName=1:s readOnly=2:b
        core.v1.PhotonPersistentDiskVolumeSource pdID=1:s fsType=2:s
        core.v1.Pod metadata=1:meta.v1.ObjectMeta spec=2:core.v1.PodSpec status=3:core.v1.PodStatus
        core.v1.PodAffinity requiredDuringSchedulingIgnoredDuringExecution=1:[]core.v1.PodAffinityTerm
          preferredDuringSchedulingIgnoredDuringExecution=2:[]core.v1.WeightedPodAffinityTerm
        core.v1.PodAffinityTerm labelSelector=1:meta.v1.LabelSelector namespaces=2:[]s topologyKey=3:s
          namespaceSelector=4:meta.v1.LabelSelector matchLabelKeys=5:[]s mismatchLabelKeys=6:[]s
        core.v1.PodAntiAffinity requiredDuringSchedulingIgnoredDuringExecution=1:[]core.v1.PodAffinityTerm
          preferredDuringSchedulingIgnoredDuringExecution=2:[]core.v1.WeightedPodAffinityTerm
        core.v1.PodCertificateProjection signerName=1:s keyType=2:s maxExpirationSeconds=3:i credentialBundlePath=4:s keyPath=5:s
          certificateChainPath=6:s userAnnotations=7:{}s user=8:l
        core.v1.PodCondition type=1:s status=2:s lastProbeTime=3:t lastTransitionTime=4:t reason=5:s message=6:s observedGeneration=7:l
        core.v1.PodDNSConfig nameservers=1:[]s searches=2:[]s options=3:[]core.v1.PodDNSConfigOption
        core.v1.PodDNSConfigOption name=1:s value=2:s
        core.v1.PodExtendedResourceClaimStatus requestMappings=1:[]core.v1.ContainerExtendedResourceRequest resourceClaimName=2:s
        core.v1.PodIP ip=1:s
        core.v1.PodOS name=1:s
        core.v1.PodReadinessGate conditionType=1:s
        core.v1.PodResourceClaim name=1:s resourceClaimName=3:s resourceClaimTemplateName=4:s
        core.v1.PodResourceClaimStatus name=1:s resourceClaimName=2:s
        core.v1.PodSchedulingGate name=1:s
        core.v1.PodSchedulingGroup podGroupName=1:s
        core.v1.PodSecurityContext seLinuxOptions=1:core.v1.SELinuxOptions runAsUser=2:l runAsNonRoot=3:b supplementalGroups=4:[]l
          fsGroup=5:l runAsGroup=6:l sysctls=7:[]core.v1.Sysctl windowsOptions=8:core.v1.WindowsSecurityContextOptions
          fsGroupChangePolicy=9:s seccompProfile=10:core.v1.SeccompProfile appArmorProfile=11:core.v1.AppArmorProfile
          supplementalGroupsPolicy=12:s seLinuxChangePolicy=13:s
        core.v1.PodSpec volumes=1:[]core.v1.Volume containers=2:[]core.v1.Container restartPolicy=3:s terminationGracePeriodSeconds=4:l
          activeDeadlineSeconds=5:l dnsPolicy=6:s nodeSelector=7:{}s serviceAccountName=8:s serviceAccount=9:s nodeName=10:s
          hostNetwork=11:b hostPID=12:b hostIPC=13:b securityContext=14:core.v1.PodSecurityContext
          imagePullSecrets=15:[]core.v1.LocalObjectReference hostname=16:s subdomain=17:s affinity=18:core.v1.Affinity schedulerName=19:s
          initContainers=20:[]core.v1.Container automountServiceAccountToken=21:b tolerations=22:[]core.v1.Toleration
          hostAliases=23:[]core.v1.HostAlias priorityClassName=24:s priority=25:i dnsConfig=26:core.v1.PodDNSConfig
          shareProcessNamespace=27:b readinessGates=28:[]core.v1.PodReadinessGate runtimeClassName=29:s enableServiceLinks=30:b
          preemptionPolicy=31:s overhead=32:{}q topologySpreadConstraints=33:[]core.v1.TopologySpreadConstraint
          ephemeralContainers=34:[]core.v1.EphemeralContainer setHostnameAsFQDN=35:b os=36:core.v1.PodOS hostUsers=37:b
          schedulingGates=38:[]core.v1.PodSchedulingGate resourceClaims=39:[]core.v1.PodResourceClaim
          resources=40:core.v1.ResourceRequirements hostnameOverride=41:s schedulingGroup=43:core.v1.PodSchedulingGroup
          evictionResponders=44:[]core.v1.EvictionResponder
        core.v1.PodStatus phase=1:s conditions=2:[]core.v1.PodCondition message=3:s reason=4:s hostIP=5:s podIP=6:s startTime=7:t
          containerStatuses=8:[]core.v1.ContainerStatus qosClass=9:s initContainerStatuses=10:[]core.v1.ContainerStatus
          nominatedNodeName=11:s podIPs=12:[]core.v1.PodIP ephemeralContainerStatuses=13:[]core.v1.ContainerStatus resize=14:s
          resourceClaimStatuses=15:[]core.v1.PodResourceClaimStatus hostIPs=16:[]core.v1.HostIP observedGeneration=17:l
          extendedResourceClaimStatus=18:core.v1.PodExtendedResourceClaimStatus allocatedResources=19:{}q
          resources=20:core.v1.ResourceRequirements nodeAllocatableResourceClaimStatuses=21:[]core.v1.NodeAllocatableResourceClaimStatus
          volumeHealth=22:[]core.v1.PodVolumeHealth
        core.v1.PodTemplateSpec metadata=1:meta.v1.ObjectMeta spec=2:core.v1.PodSpec
        core.v1.PodVolumeHealth name=1:s healthConditions=2:[]core.v1.VolumeHealthCondition lastTransitionTime=3:t
        core.v1.PortStatus port=1:i protocol=2:s error=3:s
        core.v1.PortworxVolumeSource volumeID=1:s fsType=2:s readOnly=3:b
        core.v1.PreferredSchedulingTerm weight=1:i preference=2:core.v1.NodeSelectorTerm
        core.v1.Probe exec=1.1:core.v1.ExecAction httpGet=1.2:core.v1.HTTPGetAction tcpSocket=1.3:core.v1.TCPSocketAction
          grpc=1.4:core.v1.GRPCAction initialDelaySeconds=2:i timeoutSeconds=3:i periodSeconds=4:i successThreshold=5:i failureThreshold=6:i
          terminationGracePeriodSeconds=7:l
        core.v1.ProjectedVolumeSource sources=1:[]core.v1.VolumeProjection defaultMode=2:i defaultUser=3:l
        core.v1.QuobyteVolumeSource registry=1:s volume=2:s readOnly=3:b user=4:s group=5:s tenant=6:s
        core.v1.RBDVolumeSource monitors=1:[]s image=2:s fsType=3:s pool=4:s user=5:s keyring=6:s secretRef=7:core.v1.LocalObjectReference
          readOnly=8:b
        core.v1.ResourceClaim name=1:s request=2:s
        core.v1.ResourceFieldSelector containerName=1:s resource=2:s divisor=3:q
        core.v1.ResourceHealth resourceID=1:s health=2:s message=6:s
        core.v1.ResourceRequirements limits=1:{}q requests=2:{}q claims=3:[]core.v1.ResourceClaim
        core.v1.ResourceStatus name=1:s resources=2:[]core.v1.ResourceHealth
        core.v1.SELinuxOptions user=1:s role=2:s type=3:s level=4:s
        core.v1.ScaleIOVolumeSource gateway=1:s system=2:s secretRef=3:core.v1.LocalObjectReference sslEnabled=4:b protectionDomain=5:s
          storagePool=6:s storageMode=7:s volumeName=8:s fsType=9:s readOnly=10:b
        core.v1.SeccompProfile type=1:s localhostProfile=2:s
        core.v1.Secret metadata=1:meta.v1.ObjectMeta data=2:{}y type=3:s stringData=4:{}s immutable=5:b
        core.v1.SecretEnvSource name=1.1:s optional=2:b
        core.v1.SecretKeySelector name=1.1:s key=2:s optional=3:b
        core.v1.SecretProjection name=1.1:s items=2:[]core.v1.KeyToPath optional=4:b
        core.v1.SecretVolumeSource secretName=1:s items=2:[]core.v1.KeyToPath defaultMode=3:i optional=4:b defaultUser=5:l
        core.v1.SecurityContext capabilities=1:core.v1.Capabilities privileged=2:b seLinuxOptions=3:core.v1.SELinuxOptions runAsUser=4:l
          runAsNonRoot=5:b readOnlyRootFilesystem=6:b allowPrivilegeEscalation=7:b runAsGroup=8:l procMount=9:s
          windowsOptions=10:core.v1.WindowsSecurityContextOptions seccompProfile=11:core.v1.SeccompProfile
          appArmorProfile=12:core.v1.AppArmorProfile
        core.v1.Service metadata=1:meta.v1.ObjectMeta spec=2:core.v1.ServiceSpec status=3:core.v1.ServiceStatus
        core.v1.ServiceAccount metadata=1:meta.v1.ObjectMeta secrets=2:[]core.v1.ObjectReference
          imagePullSecrets=3:[]core.v1.LocalObjectReference automountServiceAccountToken=4:b
        core.v1.ServiceAccountTokenProjection audience=1:s expirationSeconds=2:l path=3:s user=4:l
        core.v1.ServicePort name=1:s protocol=2:s port=3:i targetPort=4:x nodePort=5:i appProtocol=6:s
        core.v1.ServiceSpec ports=1:[]core.v1.ServicePort selector=2:{}s clusterIP=3:s type=4:s externalIPs=5:[]s sessionAffinity=7:s
          loadBalancerIP=8:s loadBalancerSourceRanges=9:[]s externalName=10:s externalTrafficPolicy=11:s healthCheckNodePort=12:i
          publishNotReadyAddresses=13:b sessionAffinityConfig=14:core.v1.SessionAffinityConfig ipFamilyPolicy=17:s clusterIPs=18:[]s
          ipFamilies=19:[]s allocateLoadBalancerNodePorts=20:b loadBalancerClass=21:s internalTrafficPolicy=22:s trafficDistribution=23:s
        core.v1.ServiceStatus loadBalancer=1:core.v1.LoadBalancerStatus conditions=2:[]meta.v1.Condition
        core.v1.SessionAffinityConfig clientIP=1:core.v1.ClientIPConfig
        core.v1.SleepAction seconds=1:l
        core.v1.StorageOSVolumeSource volumeName=1:s volumeNamespace=2:s fsType=3:s readOnly=4:b secretRef=5:core.v1.LocalObjectReference
        core.v1.Sysctl name=1:s value=2:s
        core.v1.TCPSocketAction port=1:x host=2:s
        core.v1.Taint key=1:s value=2:s effect=3:s timeAdded=4:t
        core.v1.Toleration key=1:s operator=2:s value=3:s effect=4:s tolerationSeconds=5:l
        core.v1.TopologySpreadConstraint maxSkew=1:i topologyKey=2:s whenUnsatisfiable=3:s labelSelector=4:meta.v1.LabelSelector
          minDomains=5:i nodeAffinityPolicy=6:s nodeTaintsPolicy=7:s matchLabelKeys=8:[]s
        core.v1.TypedLocalObjectReference apiGroup=1:s kind=2:s name=3:s
        core.v1.TypedObjectReference apiGroup=1:s kind=2:s name=3:s namespace=4:s
        core.v1.Volume name=1:s hostPath=2.1:core.v1.HostPathVolumeSource emptyDir=2.2:core.v1.EmptyDirVolumeSource
          gcePersistentDisk=2.3:core.v1.GCEPersistentDiskVolumeSource awsElasticBlockStore=2.4:core.v1.AWSElasticBlockStoreVolumeSource
          gitRepo=2.5:core.v1.GitRepoVolumeSource secret=2.6:core.v1.SecretVolumeSource nfs=2.7:core.v1.NFSVolumeSource
          iscsi=2.8:core.v1.ISCSIVolumeSource glusterfs=2.9:core.v1.GlusterfsVolumeSource
          persistentVolumeClaim=2.10:core.v1.PersistentVolumeClaimVolumeSource rbd=2.11:core.v1.RBDVolumeSource
          flexVolume=2.12:core.v1.FlexVolumeSource cinder=2.13:core.v1.CinderVolumeSource cephfs=2.14:core.v1.CephFSVolumeSource
          flocker=2.15:core.v1.FlockerVolumeSource downwardAPI=2.16:core.v1.DownwardAPIVolumeSource fc=2.17:core.v1.FCVolumeSource
          azureFile=2.18:core.v1.AzureFileVolumeSource configMap=2.19:core.v1.ConfigMapVolumeSource
          vsphereVolume=2.20:core.v1.VsphereVirtualDiskVolumeSource quobyte=2.21:core.v1.QuobyteVolumeSource
          azureDisk=2.22:core.v1.AzureDiskVolumeSource photonPersistentDisk=2.23:core.v1.PhotonPersistentDiskVolumeSource
          portworxVolume=2.24:core.v1.PortworxVolumeSource scaleIO=2.25:core.v1.ScaleIOVolumeSource
          projected=2.26:core.v1.ProjectedVolumeSource storageos=2.27:core.v1.StorageOSVolumeSource csi=2.28:core.v1.CSIVolumeSource
          ephemeral=2.29:core.v1.EphemeralVolumeSource image=2.30:core.v1.ImageVolumeSource
        core.v1.VolumeDevice name=1:s devicePath=2:s
        core.v1.VolumeHealthCondition status=1:s reason=2:s message=3:s
        core.v1.VolumeHealthStatus healthConditions=1:[]core.v1.VolumeHealthCondition lastTransitionTime=2:t
        core.v1.VolumeMount name=1:s readOnly=2:b mountPath=3:s subPath=4:s mountPropagation=5:s subPathExpr=6:s recursiveReadOnly=7:s
          bindMountOptions=8:[]s
        core.v1.VolumeMountStatus name=1:s mountPath=2:s readOnly=3:b recursiveReadOnly=4:s volumeStatus=5:core.v1.VolumeStatus
        core.v1.VolumeProjection secret=1:core.v1.SecretProjection downwardAPI=2:core.v1.DownwardAPIProjection
          configMap=3:core.v1.ConfigMapProjection serviceAccountToken=4:core.v1.ServiceAccountTokenProjection
          clusterTrustBundle=5:core.v1.ClusterTrustBundleProjection podCertificate=6:core.v1.PodCertificateProjection
        core.v1.VolumeResourceRequirements limits=1:{}q requests=2:{}q
        core.v1.VolumeStatus image=1:core.v1.ImageVolumeStatus
        core.v1.VsphereVirtualDiskVolumeSource volumePath=1:s fsType=2:s storagePolicyName=3:s storagePolicyID=4:s
        core.v1.WeightedPodAffinityTerm weight=1:i podAffinityTerm=2:core.v1.PodAffinityTerm
        core.v1.WindowsSecurityContextOptions gmsaCredentialSpecName=1:s gmsaCredentialSpec=2:s runAsUserName=3:s hostProcess=4:b
        meta.v1.Condition type=1:s status=2:s observedGeneration=3:l lastTransitionTime=4:t reason=5:s message=6:s
        meta.v1.LabelSelector matchLabels=1:{}s matchExpressions=2:[]meta.v1.LabelSelectorRequirement
        meta.v1.LabelSelectorRequirement key=1:s operator=2:s values=3:[]s
        meta.v1.ManagedFieldsEntry manager=1:s operation=2:s apiVersion=3:s time=4:t fieldsType=6:s fieldsV1=7:o subresource=8:s
        meta.v1.ObjectMeta name=1:s generateName=2:s namespace=3:s selfLink=4:s uid=5:s resourceVersion=6:s generation=7:l
          creationTimestamp=8:t deletionTimestamp=9:t deletionGracePeriodSeconds=10:l labels=11:{}s annotations=12:{}s
          ownerReferences=13:[]meta.v1.OwnerReference finalizers=14:[]s managedFields=17:[]meta.v1.ManagedFieldsEntry
        meta.v1.OwnerReference kind=1:s name=3:s uid=4:s apiVersion=5:s controller=6:b blockOwnerDeletion=7:b
        policy.v1.PodDisruptionBudget metadata=1:meta.v1.ObjectMeta spec=2:policy.v1.PodDisruptionBudgetSpec
          status=3:policy.v1.PodDisruptionBudgetStatus
        policy.v1.PodDisruptionBudgetSpec minAvailable=1:x selector=2:meta.v1.LabelSelector maxUnavailable=3:x
          unhealthyPodEvictionPolicy=4:s
        policy.v1.PodDisruptionBudgetStatus observedGeneration=1:l disruptedPods=2:{}t disruptionsAllowed=3:i currentHealthy=4:i
          desiredHealthy=5:i expectedPods=6:i conditions=7:[]meta.v1.Condition
        scheduling.v1alpha3.TopologyConstraint key=1:s
        scheduling.v1alpha3.WorkloadPodGroupAllDisruptionMode
        scheduling.v1alpha3.WorkloadPodGroupBasicSchedulingPolicy
        scheduling.v1alpha3.WorkloadPodGroupDisruptionMode single=1:scheduling.v1alpha3.WorkloadPodGroupSingleDisruptionMode
          all=2:scheduling.v1alpha3.WorkloadPodGroupAllDisruptionMode
        scheduling.v1alpha3.WorkloadPodGroupGangSchedulingPolicy minCount=1:i
        scheduling.v1alpha3.WorkloadPodGroupResourceClaim name=1:s resourceClaimName=2:s resourceClaimTemplateName=3:s
        scheduling.v1alpha3.WorkloadPodGroupSchedulingConstraints topology=1:[]scheduling.v1alpha3.TopologyConstraint
        scheduling.v1alpha3.WorkloadPodGroupSchedulingPolicy basic=1:scheduling.v1alpha3.WorkloadPodGroupBasicSchedulingPolicy
          gang=2:scheduling.v1alpha3.WorkloadPodGroupGangSchedulingPolicy
        scheduling.v1alpha3.WorkloadPodGroupSingleDisruptionMode
        """
}
