/// The fields of Kubernetes' own types that are reached from the kinds that the twin serves (names and types of k8s.io/api 0.37).
///
/// A type a line, and its fields as `name:type`; a line that begins with spaces goes on with the type before. `[]` stands for a list, `{}` for a
/// map by strings. s string, b boolean, i and l integers of 32 and 64 bits, d number, y bytes in base64, t time, q quantity, x integer or
/// string, o any object; everything else is a type of this table.
enum BuiltInTypes {
    static let table = """
        apps.v1.DaemonSet metadata:meta.v1.ObjectMeta spec:apps.v1.DaemonSetSpec status:apps.v1.DaemonSetStatus
        apps.v1.DaemonSetCondition type:s status:s lastTransitionTime:t reason:s message:s
        apps.v1.DaemonSetSpec selector:meta.v1.LabelSelector template:core.v1.PodTemplateSpec
          updateStrategy:apps.v1.DaemonSetUpdateStrategy minReadySeconds:i revisionHistoryLimit:i
        apps.v1.DaemonSetStatus currentNumberScheduled:i numberMisscheduled:i desiredNumberScheduled:i numberReady:i observedGeneration:l
          updatedNumberScheduled:i numberAvailable:i numberUnavailable:i collisionCount:i conditions:[]apps.v1.DaemonSetCondition
        apps.v1.DaemonSetUpdateStrategy type:s rollingUpdate:apps.v1.RollingUpdateDaemonSet
        apps.v1.Deployment metadata:meta.v1.ObjectMeta spec:apps.v1.DeploymentSpec status:apps.v1.DeploymentStatus
        apps.v1.DeploymentCondition type:s status:s reason:s message:s lastUpdateTime:t lastTransitionTime:t
        apps.v1.DeploymentSpec replicas:i selector:meta.v1.LabelSelector template:core.v1.PodTemplateSpec
          strategy:apps.v1.DeploymentStrategy minReadySeconds:i revisionHistoryLimit:i paused:b progressDeadlineSeconds:i
        apps.v1.DeploymentStatus observedGeneration:l replicas:i updatedReplicas:i availableReplicas:i unavailableReplicas:i
          conditions:[]apps.v1.DeploymentCondition readyReplicas:i collisionCount:i terminatingReplicas:i
        apps.v1.DeploymentStrategy type:s rollingUpdate:apps.v1.RollingUpdateDeployment
        apps.v1.ReplicaSet metadata:meta.v1.ObjectMeta spec:apps.v1.ReplicaSetSpec status:apps.v1.ReplicaSetStatus
        apps.v1.ReplicaSetCondition type:s status:s lastTransitionTime:t reason:s message:s
        apps.v1.ReplicaSetSpec replicas:i selector:meta.v1.LabelSelector template:core.v1.PodTemplateSpec minReadySeconds:i
        apps.v1.ReplicaSetStatus replicas:i fullyLabeledReplicas:i observedGeneration:l readyReplicas:i availableReplicas:i
          conditions:[]apps.v1.ReplicaSetCondition terminatingReplicas:i
        apps.v1.RollingUpdateDaemonSet maxUnavailable:x maxSurge:x
        apps.v1.RollingUpdateDeployment maxUnavailable:x maxSurge:x
        apps.v1.RollingUpdateStatefulSetStrategy partition:i maxUnavailable:x
        apps.v1.StatefulSet metadata:meta.v1.ObjectMeta spec:apps.v1.StatefulSetSpec status:apps.v1.StatefulSetStatus
        apps.v1.StatefulSetCondition type:s status:s lastTransitionTime:t reason:s message:s
        apps.v1.StatefulSetOrdinals start:i
        apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy whenDeleted:s whenScaled:s
        apps.v1.StatefulSetSpec replicas:i selector:meta.v1.LabelSelector template:core.v1.PodTemplateSpec
          volumeClaimTemplates:[]core.v1.PersistentVolumeClaim serviceName:s podManagementPolicy:s
          updateStrategy:apps.v1.StatefulSetUpdateStrategy revisionHistoryLimit:i minReadySeconds:i
          persistentVolumeClaimRetentionPolicy:apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy
          ordinals:apps.v1.StatefulSetOrdinals
        apps.v1.StatefulSetStatus observedGeneration:l replicas:i readyReplicas:i currentReplicas:i updatedReplicas:i currentRevision:s
          updateRevision:s collisionCount:i conditions:[]apps.v1.StatefulSetCondition availableReplicas:i
        apps.v1.StatefulSetUpdateStrategy type:s rollingUpdate:apps.v1.RollingUpdateStatefulSetStrategy
        batch.v1.Job metadata:meta.v1.ObjectMeta spec:batch.v1.JobSpec status:batch.v1.JobStatus
        batch.v1.JobCondition type:s status:s lastProbeTime:t lastTransitionTime:t reason:s message:s
        batch.v1.JobSchedulingConfiguration schedulingPolicy:scheduling.v1alpha3.WorkloadPodGroupSchedulingPolicy
          schedulingConstraints:scheduling.v1alpha3.WorkloadPodGroupSchedulingConstraints
          disruptionMode:scheduling.v1alpha3.WorkloadPodGroupDisruptionMode
          resourceClaims:[]scheduling.v1alpha3.WorkloadPodGroupResourceClaim
        batch.v1.JobSpec parallelism:i completions:i activeDeadlineSeconds:l selector:meta.v1.LabelSelector manualSelector:b
          template:core.v1.PodTemplateSpec backoffLimit:i ttlSecondsAfterFinished:i completionMode:s suspend:b
          podFailurePolicy:batch.v1.PodFailurePolicy backoffLimitPerIndex:i maxFailedIndexes:i podReplacementPolicy:s managedBy:s
          successPolicy:batch.v1.SuccessPolicy scheduling:batch.v1.JobSchedulingConfiguration
        batch.v1.JobStatus conditions:[]batch.v1.JobCondition startTime:t completionTime:t active:i succeeded:i failed:i
          completedIndexes:s uncountedTerminatedPods:batch.v1.UncountedTerminatedPods ready:i failedIndexes:s terminating:i
        batch.v1.PodFailurePolicy rules:[]batch.v1.PodFailurePolicyRule
        batch.v1.PodFailurePolicyOnExitCodesRequirement containerName:s operator:s values:[]i
        batch.v1.PodFailurePolicyOnPodConditionsPattern type:s status:s
        batch.v1.PodFailurePolicyRule action:s onExitCodes:batch.v1.PodFailurePolicyOnExitCodesRequirement
          onPodConditions:[]batch.v1.PodFailurePolicyOnPodConditionsPattern
        batch.v1.SuccessPolicy rules:[]batch.v1.SuccessPolicyRule
        batch.v1.SuccessPolicyRule succeededIndexes:s succeededCount:i
        batch.v1.UncountedTerminatedPods succeeded:[]s failed:[]s
        coordination.v1.Lease metadata:meta.v1.ObjectMeta spec:coordination.v1.LeaseSpec
        coordination.v1.LeaseSpec holderIdentity:s leaseDurationSeconds:i acquireTime:t renewTime:t leaseTransitions:i strategy:s
          preferredHolder:s
        core.v1.AWSElasticBlockStoreVolumeSource volumeID:s fsType:s partition:i readOnly:b
        core.v1.Affinity nodeAffinity:core.v1.NodeAffinity podAffinity:core.v1.PodAffinity podAntiAffinity:core.v1.PodAntiAffinity
        core.v1.AppArmorProfile type:s localhostProfile:s
        core.v1.AttachedVolume name:s devicePath:s
        core.v1.AzureDiskVolumeSource diskName:s diskURI:s cachingMode:s fsType:s readOnly:b kind:s
        core.v1.AzureFileVolumeSource secretName:s shareName:s readOnly:b
        core.v1.CSIVolumeSource driver:s readOnly:b fsType:s volumeAttributes:{}s nodePublishSecretRef:core.v1.LocalObjectReference
        core.v1.Capabilities add:[]s drop:[]s
        core.v1.CephFSVolumeSource monitors:[]s path:s user:s secretFile:s secretRef:core.v1.LocalObjectReference readOnly:b
        core.v1.CinderVolumeSource volumeID:s fsType:s readOnly:b secretRef:core.v1.LocalObjectReference
        core.v1.ClientIPConfig timeoutSeconds:i
        core.v1.ClusterTrustBundleProjection name:s signerName:s labelSelector:meta.v1.LabelSelector path:s optional:b user:l
        core.v1.ConfigMap metadata:meta.v1.ObjectMeta data:{}s binaryData:{}y immutable:b
        core.v1.ConfigMapEnvSource name:s optional:b
        core.v1.ConfigMapKeySelector name:s key:s optional:b
        core.v1.ConfigMapNodeConfigSource namespace:s name:s uid:s resourceVersion:s kubeletConfigKey:s
        core.v1.ConfigMapProjection name:s items:[]core.v1.KeyToPath optional:b
        core.v1.ConfigMapVolumeSource name:s items:[]core.v1.KeyToPath defaultMode:i optional:b defaultUser:l
        core.v1.Container name:s image:s command:[]s args:[]s workingDir:s ports:[]core.v1.ContainerPort env:[]core.v1.EnvVar
          resources:core.v1.ResourceRequirements volumeMounts:[]core.v1.VolumeMount livenessProbe:core.v1.Probe
          readinessProbe:core.v1.Probe lifecycle:core.v1.Lifecycle terminationMessagePath:s imagePullPolicy:s
          securityContext:core.v1.SecurityContext stdin:b stdinOnce:b tty:b envFrom:[]core.v1.EnvFromSource terminationMessagePolicy:s
          volumeDevices:[]core.v1.VolumeDevice startupProbe:core.v1.Probe resizePolicy:[]core.v1.ContainerResizePolicy restartPolicy:s
          restartPolicyRules:[]core.v1.ContainerRestartRule
        core.v1.ContainerExtendedResourceRequest containerName:s resourceName:s requestName:s
        core.v1.ContainerImage names:[]s sizeBytes:l
        core.v1.ContainerPort name:s hostPort:i containerPort:i protocol:s hostIP:s
        core.v1.ContainerResizePolicy resourceName:s restartPolicy:s
        core.v1.ContainerRestartRule action:s exitCodes:core.v1.ContainerRestartRuleOnExitCodes
        core.v1.ContainerRestartRuleOnExitCodes operator:s values:[]i
        core.v1.ContainerState waiting:core.v1.ContainerStateWaiting running:core.v1.ContainerStateRunning
          terminated:core.v1.ContainerStateTerminated
        core.v1.ContainerStateRunning startedAt:t
        core.v1.ContainerStateTerminated exitCode:i signal:i reason:s message:s startedAt:t finishedAt:t containerID:s
        core.v1.ContainerStateWaiting reason:s message:s
        core.v1.ContainerStatus name:s state:core.v1.ContainerState lastState:core.v1.ContainerState ready:b restartCount:i image:s
          imageID:s containerID:s started:b allocatedResources:{}q resources:core.v1.ResourceRequirements
          volumeMounts:[]core.v1.VolumeMountStatus user:core.v1.ContainerUser allocatedResourcesStatus:[]core.v1.ResourceStatus
          stopSignal:s
        core.v1.ContainerUser linux:core.v1.LinuxContainerUser
        core.v1.DaemonEndpoint Port:i
        core.v1.DownwardAPIProjection items:[]core.v1.DownwardAPIVolumeFile
        core.v1.DownwardAPIVolumeFile path:s fieldRef:core.v1.ObjectFieldSelector resourceFieldRef:core.v1.ResourceFieldSelector mode:i
          user:l
        core.v1.DownwardAPIVolumeSource items:[]core.v1.DownwardAPIVolumeFile defaultMode:i defaultUser:l
        core.v1.EmptyDirVolumeSource medium:s sizeLimit:q mode:i
        core.v1.EnvFromSource prefix:s configMapRef:core.v1.ConfigMapEnvSource secretRef:core.v1.SecretEnvSource
        core.v1.EnvVar name:s value:s valueFrom:core.v1.EnvVarSource
        core.v1.EnvVarSource fieldRef:core.v1.ObjectFieldSelector resourceFieldRef:core.v1.ResourceFieldSelector
          configMapKeyRef:core.v1.ConfigMapKeySelector secretKeyRef:core.v1.SecretKeySelector fileKeyRef:core.v1.FileKeySelector
        core.v1.EphemeralContainer name:s image:s command:[]s args:[]s workingDir:s ports:[]core.v1.ContainerPort env:[]core.v1.EnvVar
          resources:core.v1.ResourceRequirements volumeMounts:[]core.v1.VolumeMount livenessProbe:core.v1.Probe
          readinessProbe:core.v1.Probe lifecycle:core.v1.Lifecycle terminationMessagePath:s imagePullPolicy:s
          securityContext:core.v1.SecurityContext stdin:b stdinOnce:b tty:b envFrom:[]core.v1.EnvFromSource terminationMessagePolicy:s
          volumeDevices:[]core.v1.VolumeDevice startupProbe:core.v1.Probe resizePolicy:[]core.v1.ContainerResizePolicy restartPolicy:s
          restartPolicyRules:[]core.v1.ContainerRestartRule targetContainerName:s
        core.v1.EphemeralVolumeSource volumeClaimTemplate:core.v1.PersistentVolumeClaimTemplate
        core.v1.Event metadata:meta.v1.ObjectMeta involvedObject:core.v1.ObjectReference reason:s message:s source:core.v1.EventSource
          firstTimestamp:t lastTimestamp:t count:i type:s eventTime:t series:core.v1.EventSeries action:s related:core.v1.ObjectReference
          reportingComponent:s reportingInstance:s
        core.v1.EventSeries count:i lastObservedTime:t
        core.v1.EventSource component:s host:s
        core.v1.EvictionResponder name:s priority:i
        core.v1.ExecAction command:[]s
        core.v1.FCVolumeSource targetWWNs:[]s lun:i fsType:s readOnly:b wwids:[]s
        core.v1.FileKeySelector volumeName:s path:s key:s optional:b
        core.v1.FlexVolumeSource driver:s fsType:s secretRef:core.v1.LocalObjectReference readOnly:b options:{}s
        core.v1.FlockerVolumeSource datasetName:s datasetUUID:s
        core.v1.GCEPersistentDiskVolumeSource pdName:s fsType:s partition:i readOnly:b
        core.v1.GRPCAction port:i service:s mode:s
        core.v1.GitRepoVolumeSource repository:s revision:s directory:s
        core.v1.GlusterfsVolumeSource endpoints:s path:s readOnly:b
        core.v1.HTTPGetAction path:s port:x host:s scheme:s httpHeaders:[]core.v1.HTTPHeader protocol:s
        core.v1.HTTPHeader name:s value:s
        core.v1.HostAlias ip:s hostnames:[]s
        core.v1.HostIP ip:s
        core.v1.HostPathVolumeSource path:s type:s
        core.v1.ISCSIVolumeSource targetPortal:s iqn:s lun:i iscsiInterface:s fsType:s readOnly:b portals:[]s chapAuthDiscovery:b
          secretRef:core.v1.LocalObjectReference chapAuthSession:b initiatorName:s
        core.v1.ImageVolumeSource reference:s pullPolicy:s
        core.v1.ImageVolumeStatus imageRef:s
        core.v1.KeyToPath key:s path:s mode:i user:l
        core.v1.Lifecycle postStart:core.v1.LifecycleHandler preStop:core.v1.LifecycleHandler stopSignal:s
        core.v1.LifecycleHandler exec:core.v1.ExecAction httpGet:core.v1.HTTPGetAction tcpSocket:core.v1.TCPSocketAction
          sleep:core.v1.SleepAction
        core.v1.LinuxContainerUser uid:l gid:l supplementalGroups:[]l
        core.v1.LoadBalancerIngress ip:s hostname:s ipMode:s ports:[]core.v1.PortStatus
        core.v1.LoadBalancerStatus ingress:[]core.v1.LoadBalancerIngress
        core.v1.LocalObjectReference name:s
        core.v1.ModifyVolumeStatus targetVolumeAttributesClassName:s status:s
        core.v1.NFSVolumeSource server:s path:s readOnly:b
        core.v1.Namespace metadata:meta.v1.ObjectMeta spec:core.v1.NamespaceSpec status:core.v1.NamespaceStatus
        core.v1.NamespaceCondition type:s status:s lastTransitionTime:t reason:s message:s
        core.v1.NamespaceSpec finalizers:[]s
        core.v1.NamespaceStatus phase:s conditions:[]core.v1.NamespaceCondition
        core.v1.Node metadata:meta.v1.ObjectMeta spec:core.v1.NodeSpec status:core.v1.NodeStatus
        core.v1.NodeAddress type:s address:s
        core.v1.NodeAffinity requiredDuringSchedulingIgnoredDuringExecution:core.v1.NodeSelector
          preferredDuringSchedulingIgnoredDuringExecution:[]core.v1.PreferredSchedulingTerm
        core.v1.NodeAllocatableMappedResources name:s quantity:q
        core.v1.NodeAllocatableOverheadResources name:s perPod:q perContainer:q
        core.v1.NodeAllocatableResourceClaimStatus resourceClaimName:s containers:[]s mapping:[]core.v1.NodeAllocatableMappedResources
          overhead:[]core.v1.NodeAllocatableOverheadResources
        core.v1.NodeCondition type:s status:s lastHeartbeatTime:t lastTransitionTime:t reason:s message:s
        core.v1.NodeConfigSource configMap:core.v1.ConfigMapNodeConfigSource
        core.v1.NodeConfigStatus assigned:core.v1.NodeConfigSource active:core.v1.NodeConfigSource lastKnownGood:core.v1.NodeConfigSource
          error:s
        core.v1.NodeDaemonEndpoints kubeletEndpoint:core.v1.DaemonEndpoint
        core.v1.NodeFeatures supplementalGroupsPolicy:b
        core.v1.NodePodPreemptionPolicy disableResizePreemption:[]s
        core.v1.NodeRuntimeHandler name:s features:core.v1.NodeRuntimeHandlerFeatures
        core.v1.NodeRuntimeHandlerFeatures recursiveReadOnlyMounts:b userNamespaces:b
        core.v1.NodeSelector nodeSelectorTerms:[]core.v1.NodeSelectorTerm
        core.v1.NodeSelectorRequirement key:s operator:s values:[]s
        core.v1.NodeSelectorTerm matchExpressions:[]core.v1.NodeSelectorRequirement matchFields:[]core.v1.NodeSelectorRequirement
        core.v1.NodeSpec podCIDR:s externalID:s providerID:s unschedulable:b taints:[]core.v1.Taint configSource:core.v1.NodeConfigSource
          podCIDRs:[]s podPreemptionPolicy:core.v1.NodePodPreemptionPolicy
        core.v1.NodeStatus capacity:{}q allocatable:{}q phase:s conditions:[]core.v1.NodeCondition addresses:[]core.v1.NodeAddress
          daemonEndpoints:core.v1.NodeDaemonEndpoints nodeInfo:core.v1.NodeSystemInfo images:[]core.v1.ContainerImage volumesInUse:[]s
          volumesAttached:[]core.v1.AttachedVolume config:core.v1.NodeConfigStatus runtimeHandlers:[]core.v1.NodeRuntimeHandler
          features:core.v1.NodeFeatures declaredFeatures:[]s
        core.v1.NodeSwapStatus capacity:l
        core.v1.NodeSystemInfo machineID:s systemUUID:s bootID:s kernelVersion:s osImage:s containerRuntimeVersion:s kubeletVersion:s
          kubeProxyVersion:s operatingSystem:s architecture:s swap:core.v1.NodeSwapStatus
        core.v1.ObjectFieldSelector apiVersion:s fieldPath:s
        core.v1.ObjectReference kind:s namespace:s name:s uid:s apiVersion:s resourceVersion:s fieldPath:s
        core.v1.PersistentVolumeClaim metadata:meta.v1.ObjectMeta spec:core.v1.PersistentVolumeClaimSpec
          status:core.v1.PersistentVolumeClaimStatus
        core.v1.PersistentVolumeClaimCondition type:s status:s lastProbeTime:t lastTransitionTime:t reason:s message:s
        core.v1.PersistentVolumeClaimSpec accessModes:[]s resources:core.v1.VolumeResourceRequirements volumeName:s
          selector:meta.v1.LabelSelector storageClassName:s volumeMode:s dataSource:core.v1.TypedLocalObjectReference
          dataSourceRef:core.v1.TypedObjectReference volumeAttributesClassName:s
        core.v1.PersistentVolumeClaimStatus phase:s accessModes:[]s capacity:{}q conditions:[]core.v1.PersistentVolumeClaimCondition
          allocatedResources:{}q allocatedResourceStatuses:{}s currentVolumeAttributesClassName:s
          modifyVolumeStatus:core.v1.ModifyVolumeStatus healthStatus:core.v1.VolumeHealthStatus
        core.v1.PersistentVolumeClaimTemplate metadata:meta.v1.ObjectMeta spec:core.v1.PersistentVolumeClaimSpec
        core.v1.PersistentVolumeClaimVolumeSource claimName:s readOnly:b
        core.v1.PhotonPersistentDiskVolumeSource pdID:s fsType:s
        core.v1.Pod metadata:meta.v1.ObjectMeta spec:core.v1.PodSpec status:core.v1.PodStatus
        core.v1.PodAffinity requiredDuringSchedulingIgnoredDuringExecution:[]core.v1.PodAffinityTerm
          preferredDuringSchedulingIgnoredDuringExecution:[]core.v1.WeightedPodAffinityTerm
        core.v1.PodAffinityTerm labelSelector:meta.v1.LabelSelector namespaces:[]s topologyKey:s namespaceSelector:meta.v1.LabelSelector
          matchLabelKeys:[]s mismatchLabelKeys:[]s
        core.v1.PodAntiAffinity requiredDuringSchedulingIgnoredDuringExecution:[]core.v1.PodAffinityTerm
          preferredDuringSchedulingIgnoredDuringExecution:[]core.v1.WeightedPodAffinityTerm
        core.v1.PodCertificateProjection signerName:s keyType:s maxExpirationSeconds:i credentialBundlePath:s keyPath:s
          certificateChainPath:s userAnnotations:{}s user:l
        core.v1.PodCondition type:s status:s lastProbeTime:t lastTransitionTime:t reason:s message:s observedGeneration:l
        core.v1.PodDNSConfig nameservers:[]s searches:[]s options:[]core.v1.PodDNSConfigOption
        core.v1.PodDNSConfigOption name:s value:s
        core.v1.PodExtendedResourceClaimStatus requestMappings:[]core.v1.ContainerExtendedResourceRequest resourceClaimName:s
        core.v1.PodIP ip:s
        core.v1.PodOS name:s
        core.v1.PodReadinessGate conditionType:s
        core.v1.PodResourceClaim name:s resourceClaimName:s resourceClaimTemplateName:s
        core.v1.PodResourceClaimStatus name:s resourceClaimName:s
        core.v1.PodSchedulingGate name:s
        core.v1.PodSchedulingGroup podGroupName:s
        core.v1.PodSecurityContext seLinuxOptions:core.v1.SELinuxOptions runAsUser:l runAsNonRoot:b supplementalGroups:[]l fsGroup:l
          runAsGroup:l sysctls:[]core.v1.Sysctl windowsOptions:core.v1.WindowsSecurityContextOptions fsGroupChangePolicy:s
          seccompProfile:core.v1.SeccompProfile appArmorProfile:core.v1.AppArmorProfile supplementalGroupsPolicy:s seLinuxChangePolicy:s
        core.v1.PodSpec volumes:[]core.v1.Volume containers:[]core.v1.Container restartPolicy:s terminationGracePeriodSeconds:l
          activeDeadlineSeconds:l dnsPolicy:s nodeSelector:{}s serviceAccountName:s serviceAccount:s nodeName:s hostNetwork:b hostPID:b
          hostIPC:b securityContext:core.v1.PodSecurityContext imagePullSecrets:[]core.v1.LocalObjectReference hostname:s subdomain:s
          affinity:core.v1.Affinity schedulerName:s initContainers:[]core.v1.Container automountServiceAccountToken:b
          tolerations:[]core.v1.Toleration hostAliases:[]core.v1.HostAlias priorityClassName:s priority:i dnsConfig:core.v1.PodDNSConfig
          shareProcessNamespace:b readinessGates:[]core.v1.PodReadinessGate runtimeClassName:s enableServiceLinks:b preemptionPolicy:s
          overhead:{}q topologySpreadConstraints:[]core.v1.TopologySpreadConstraint ephemeralContainers:[]core.v1.EphemeralContainer
          setHostnameAsFQDN:b os:core.v1.PodOS hostUsers:b schedulingGates:[]core.v1.PodSchedulingGate
          resourceClaims:[]core.v1.PodResourceClaim resources:core.v1.ResourceRequirements hostnameOverride:s
          schedulingGroup:core.v1.PodSchedulingGroup evictionResponders:[]core.v1.EvictionResponder
        core.v1.PodStatus phase:s conditions:[]core.v1.PodCondition message:s reason:s hostIP:s podIP:s startTime:t
          containerStatuses:[]core.v1.ContainerStatus qosClass:s initContainerStatuses:[]core.v1.ContainerStatus nominatedNodeName:s
          podIPs:[]core.v1.PodIP ephemeralContainerStatuses:[]core.v1.ContainerStatus resize:s
          resourceClaimStatuses:[]core.v1.PodResourceClaimStatus hostIPs:[]core.v1.HostIP observedGeneration:l
          extendedResourceClaimStatus:core.v1.PodExtendedResourceClaimStatus allocatedResources:{}q resources:core.v1.ResourceRequirements
          nodeAllocatableResourceClaimStatuses:[]core.v1.NodeAllocatableResourceClaimStatus volumeHealth:[]core.v1.PodVolumeHealth
        core.v1.PodTemplateSpec metadata:meta.v1.ObjectMeta spec:core.v1.PodSpec
        core.v1.PodVolumeHealth name:s healthConditions:[]core.v1.VolumeHealthCondition lastTransitionTime:t
        core.v1.PortStatus port:i protocol:s error:s
        core.v1.PortworxVolumeSource volumeID:s fsType:s readOnly:b
        core.v1.PreferredSchedulingTerm weight:i preference:core.v1.NodeSelectorTerm
        core.v1.Probe exec:core.v1.ExecAction httpGet:core.v1.HTTPGetAction tcpSocket:core.v1.TCPSocketAction grpc:core.v1.GRPCAction
          initialDelaySeconds:i timeoutSeconds:i periodSeconds:i successThreshold:i failureThreshold:i terminationGracePeriodSeconds:l
        core.v1.ProjectedVolumeSource sources:[]core.v1.VolumeProjection defaultMode:i defaultUser:l
        core.v1.QuobyteVolumeSource registry:s volume:s readOnly:b user:s group:s tenant:s
        core.v1.RBDVolumeSource monitors:[]s image:s fsType:s pool:s user:s keyring:s secretRef:core.v1.LocalObjectReference readOnly:b
        core.v1.ResourceClaim name:s request:s
        core.v1.ResourceFieldSelector containerName:s resource:s divisor:q
        core.v1.ResourceHealth resourceID:s health:s message:s
        core.v1.ResourceRequirements limits:{}q requests:{}q claims:[]core.v1.ResourceClaim
        core.v1.ResourceStatus name:s resources:[]core.v1.ResourceHealth
        core.v1.SELinuxOptions user:s role:s type:s level:s
        core.v1.ScaleIOVolumeSource gateway:s system:s secretRef:core.v1.LocalObjectReference sslEnabled:b protectionDomain:s
          storagePool:s storageMode:s volumeName:s fsType:s readOnly:b
        core.v1.SeccompProfile type:s localhostProfile:s
        core.v1.Secret metadata:meta.v1.ObjectMeta data:{}y type:s stringData:{}s immutable:b
        core.v1.SecretEnvSource name:s optional:b
        core.v1.SecretKeySelector name:s key:s optional:b
        core.v1.SecretProjection name:s items:[]core.v1.KeyToPath optional:b
        core.v1.SecretVolumeSource secretName:s items:[]core.v1.KeyToPath defaultMode:i optional:b defaultUser:l
        core.v1.SecurityContext capabilities:core.v1.Capabilities privileged:b seLinuxOptions:core.v1.SELinuxOptions runAsUser:l
          runAsNonRoot:b readOnlyRootFilesystem:b allowPrivilegeEscalation:b runAsGroup:l procMount:s
          windowsOptions:core.v1.WindowsSecurityContextOptions seccompProfile:core.v1.SeccompProfile
          appArmorProfile:core.v1.AppArmorProfile
        core.v1.Service metadata:meta.v1.ObjectMeta spec:core.v1.ServiceSpec status:core.v1.ServiceStatus
        core.v1.ServiceAccount metadata:meta.v1.ObjectMeta secrets:[]core.v1.ObjectReference
          imagePullSecrets:[]core.v1.LocalObjectReference automountServiceAccountToken:b
        core.v1.ServiceAccountTokenProjection audience:s expirationSeconds:l path:s user:l
        core.v1.ServicePort name:s protocol:s port:i targetPort:x nodePort:i appProtocol:s
        core.v1.ServiceSpec ports:[]core.v1.ServicePort selector:{}s clusterIP:s type:s externalIPs:[]s sessionAffinity:s loadBalancerIP:s
          loadBalancerSourceRanges:[]s externalName:s externalTrafficPolicy:s healthCheckNodePort:i publishNotReadyAddresses:b
          sessionAffinityConfig:core.v1.SessionAffinityConfig ipFamilyPolicy:s clusterIPs:[]s ipFamilies:[]s
          allocateLoadBalancerNodePorts:b loadBalancerClass:s internalTrafficPolicy:s trafficDistribution:s
        core.v1.ServiceStatus loadBalancer:core.v1.LoadBalancerStatus conditions:[]meta.v1.Condition
        core.v1.SessionAffinityConfig clientIP:core.v1.ClientIPConfig
        core.v1.SleepAction seconds:l
        core.v1.StorageOSVolumeSource volumeName:s volumeNamespace:s fsType:s readOnly:b secretRef:core.v1.LocalObjectReference
        core.v1.Sysctl name:s value:s
        core.v1.TCPSocketAction port:x host:s
        core.v1.Taint key:s value:s effect:s timeAdded:t
        core.v1.Toleration key:s operator:s value:s effect:s tolerationSeconds:l
        core.v1.TopologySpreadConstraint maxSkew:i topologyKey:s whenUnsatisfiable:s labelSelector:meta.v1.LabelSelector minDomains:i
          nodeAffinityPolicy:s nodeTaintsPolicy:s matchLabelKeys:[]s
        core.v1.TypedLocalObjectReference apiGroup:s kind:s name:s
        core.v1.TypedObjectReference apiGroup:s kind:s name:s namespace:s
        core.v1.Volume name:s hostPath:core.v1.HostPathVolumeSource emptyDir:core.v1.EmptyDirVolumeSource
          gcePersistentDisk:core.v1.GCEPersistentDiskVolumeSource awsElasticBlockStore:core.v1.AWSElasticBlockStoreVolumeSource
          gitRepo:core.v1.GitRepoVolumeSource secret:core.v1.SecretVolumeSource nfs:core.v1.NFSVolumeSource
          iscsi:core.v1.ISCSIVolumeSource glusterfs:core.v1.GlusterfsVolumeSource
          persistentVolumeClaim:core.v1.PersistentVolumeClaimVolumeSource rbd:core.v1.RBDVolumeSource flexVolume:core.v1.FlexVolumeSource
          cinder:core.v1.CinderVolumeSource cephfs:core.v1.CephFSVolumeSource flocker:core.v1.FlockerVolumeSource
          downwardAPI:core.v1.DownwardAPIVolumeSource fc:core.v1.FCVolumeSource azureFile:core.v1.AzureFileVolumeSource
          configMap:core.v1.ConfigMapVolumeSource vsphereVolume:core.v1.VsphereVirtualDiskVolumeSource quobyte:core.v1.QuobyteVolumeSource
          azureDisk:core.v1.AzureDiskVolumeSource photonPersistentDisk:core.v1.PhotonPersistentDiskVolumeSource
          portworxVolume:core.v1.PortworxVolumeSource scaleIO:core.v1.ScaleIOVolumeSource projected:core.v1.ProjectedVolumeSource
          storageos:core.v1.StorageOSVolumeSource csi:core.v1.CSIVolumeSource ephemeral:core.v1.EphemeralVolumeSource
          image:core.v1.ImageVolumeSource
        core.v1.VolumeDevice name:s devicePath:s
        core.v1.VolumeHealthCondition status:s reason:s message:s
        core.v1.VolumeHealthStatus healthConditions:[]core.v1.VolumeHealthCondition lastTransitionTime:t
        core.v1.VolumeMount name:s readOnly:b mountPath:s subPath:s mountPropagation:s subPathExpr:s recursiveReadOnly:s
          bindMountOptions:[]s
        core.v1.VolumeMountStatus name:s mountPath:s readOnly:b recursiveReadOnly:s volumeStatus:core.v1.VolumeStatus
        core.v1.VolumeProjection secret:core.v1.SecretProjection downwardAPI:core.v1.DownwardAPIProjection
          configMap:core.v1.ConfigMapProjection serviceAccountToken:core.v1.ServiceAccountTokenProjection
          clusterTrustBundle:core.v1.ClusterTrustBundleProjection podCertificate:core.v1.PodCertificateProjection
        core.v1.VolumeResourceRequirements limits:{}q requests:{}q
        core.v1.VolumeStatus image:core.v1.ImageVolumeStatus
        core.v1.VsphereVirtualDiskVolumeSource volumePath:s fsType:s storagePolicyName:s storagePolicyID:s
        core.v1.WeightedPodAffinityTerm weight:i podAffinityTerm:core.v1.PodAffinityTerm
        core.v1.WindowsSecurityContextOptions gmsaCredentialSpecName:s gmsaCredentialSpec:s runAsUserName:s hostProcess:b
        meta.v1.Condition type:s status:s observedGeneration:l lastTransitionTime:t reason:s message:s
        meta.v1.LabelSelector matchLabels:{}s matchExpressions:[]meta.v1.LabelSelectorRequirement
        meta.v1.LabelSelectorRequirement key:s operator:s values:[]s
        meta.v1.ManagedFieldsEntry manager:s operation:s apiVersion:s time:t fieldsType:s fieldsV1:o subresource:s
        meta.v1.ObjectMeta name:s generateName:s namespace:s selfLink:s uid:s resourceVersion:s generation:l creationTimestamp:t
          deletionTimestamp:t deletionGracePeriodSeconds:l labels:{}s annotations:{}s ownerReferences:[]meta.v1.OwnerReference
          finalizers:[]s managedFields:[]meta.v1.ManagedFieldsEntry
        meta.v1.OwnerReference kind:s name:s uid:s apiVersion:s controller:b blockOwnerDeletion:b
        policy.v1.PodDisruptionBudget metadata:meta.v1.ObjectMeta spec:policy.v1.PodDisruptionBudgetSpec
          status:policy.v1.PodDisruptionBudgetStatus
        policy.v1.PodDisruptionBudgetSpec minAvailable:x selector:meta.v1.LabelSelector maxUnavailable:x unhealthyPodEvictionPolicy:s
        policy.v1.PodDisruptionBudgetStatus observedGeneration:l disruptedPods:{}t disruptionsAllowed:i currentHealthy:i desiredHealthy:i
          expectedPods:i conditions:[]meta.v1.Condition
        scheduling.v1alpha3.TopologyConstraint key:s
        scheduling.v1alpha3.WorkloadPodGroupAllDisruptionMode
        scheduling.v1alpha3.WorkloadPodGroupBasicSchedulingPolicy
        scheduling.v1alpha3.WorkloadPodGroupDisruptionMode single:scheduling.v1alpha3.WorkloadPodGroupSingleDisruptionMode
          all:scheduling.v1alpha3.WorkloadPodGroupAllDisruptionMode
        scheduling.v1alpha3.WorkloadPodGroupGangSchedulingPolicy minCount:i
        scheduling.v1alpha3.WorkloadPodGroupResourceClaim name:s resourceClaimName:s resourceClaimTemplateName:s
        scheduling.v1alpha3.WorkloadPodGroupSchedulingConstraints topology:[]scheduling.v1alpha3.TopologyConstraint
        scheduling.v1alpha3.WorkloadPodGroupSchedulingPolicy basic:scheduling.v1alpha3.WorkloadPodGroupBasicSchedulingPolicy
          gang:scheduling.v1alpha3.WorkloadPodGroupGangSchedulingPolicy
        scheduling.v1alpha3.WorkloadPodGroupSingleDisruptionMode
        """
}
