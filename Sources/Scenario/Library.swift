import Cluster
import Cost
import Quantities
import Workload

/// Where a scenario's names are looked up. Tests bring their own; `standard` is the catalogue that ships with the program.
public struct Library: Sendable {
    /// A table of named values.
    public struct Lookup<Value>: Sendable {
        public var names: [String]
        public var find: @Sendable (String) -> Value?
        public init(names: [String], find: @escaping @Sendable (String) -> Value?) {
            self.names = names
            self.find = find
        }
        public init(_ table: [String: Value]) where Value: Sendable {
            self.init(names: table.keys.sorted()) { table[$0] }
        }
    }
    /// How the nodes of a device are usually built, for what a scenario leaves out.
    public struct Node: Sendable {
        public var gpusPerNode: Int
        /// GPUs behind one fast switch.
        public var domain: Int
        public var intraNode: Link
        public var interNode: InterNode?
        public var hostPower: Power?
        public init(gpusPerNode: Int, domain: Int, intraNode: Link, interNode: InterNode?, hostPower: Power? = nil) {
            self.gpusPerNode = gpusPerNode
            self.domain = domain
            self.intraNode = intraNode
            self.interNode = interNode
            self.hostPower = hostPower
        }
    }
    public var accelerators: Lookup<Accelerator>
    public var links: Lookup<Link>
    /// By the name of the accelerator.
    public var nodes: Lookup<Node>
    public var clusters: Lookup<ClusterSpec>
    public var models: Lookup<Architecture>
    public var prices: Lookup<PriceBook>
    /// The machines that a table of measured runs names, and remarks on what it leaves open.
    public var measuredCluster: @Sendable (MeasuredMachines) -> Result<(ClusterSpec, [String]), QuantityError>
    /// Reads the text of a Hugging Face `config.json`; a message says why it cannot be.
    public var huggingFace: @Sendable (_ json: String, _ name: String) -> Result<Architecture, QuantityError>

    public init(
        accelerators: Lookup<Accelerator>, links: Lookup<Link>, nodes: Lookup<Node>, clusters: Lookup<ClusterSpec>,
        models: Lookup<Architecture>
    ) {
        self.accelerators = accelerators
        self.links = links
        self.nodes = nodes
        self.clusters = clusters
        self.models = models
        prices = Lookup([:])
        measuredCluster = { _ in .failure(QuantityError("no catalogue of machines is installed")) }
        huggingFace = { _, _ in .failure(QuantityError("no reader for published configurations is installed")) }
    }
}

/// The columns of a table of measured runs that name its machines.
public struct MeasuredMachines: Sendable, Hashable {
    public var hardware: String
    public var gpus: Int
    public var gpusPerNode: Int
    public var interNode: String
    /// What joins the GPUs of a node, where the table says so.
    public var intraNode: String?
    /// Measured rate of one port, where known.
    public var linkRate: Bandwidth?
    public init(
        hardware: String, gpus: Int, gpusPerNode: Int, interNode: String, intraNode: String? = nil, linkRate: Bandwidth? = nil
    ) {
        self.intraNode = intraNode
        self.linkRate = linkRate
        self.hardware = hardware
        self.gpus = gpus
        self.gpusPerNode = gpusPerNode
        self.interNode = interNode
    }
}

extension Library {
    /// The catalogue and the models that ship with the program.
    public static let standard: Library = {
        var library = Library(
            accelerators: Lookup(names: (try? Catalogue.acceleratorNames()) ?? []) { try? Catalogue.accelerator(named: $0) },
            links: Lookup(names: (try? Catalogue.linkNames()) ?? []) { try? Catalogue.link(named: $0) },
            nodes: Lookup(names: (try? Catalogue.acceleratorNames()) ?? []) { Node(usualFor: $0) },
            clusters: Lookup(names: (try? Catalogue.clusterNames()) ?? []) { try? Catalogue.clusterPreset(named: $0) },
            models: Lookup(names: Architecture.presetNames) { try? Architecture.preset($0) })
        let books = (try? PriceBook.presets()) ?? []
        library.prices = Lookup(names: books.map(\.name)) { name in books.first { $0.name == name }?.book }
        library.huggingFace = { json, name in
            do throws(WorkloadError) { return .success(try Architecture(huggingFace: json, name: name)) } catch {
                return .failure(QuantityError("\(error)"))
            }
        }
        library.measuredCluster = { machines in
            do throws(CatalogueError) {
                let (spec, warnings) = try ClusterSpec.measured(
                    hardware: machines.hardware, gpus: machines.gpus, gpusPerNode: machines.gpusPerNode, interNode: machines.interNode,
                    intraNode: machines.intraNode, linkRate: machines.linkRate)
                return .success((spec, warnings))
            } catch {
                return .failure(QuantityError("\(error)"))
            }
        }
        return library
    }()
}

extension Library.Node {
    init?(usualFor accelerator: String) {
        guard let node = try? Catalogue.usualNode(for: accelerator) else { return nil }
        self.init(
            gpusPerNode: node.gpus, domain: node.domain, intraNode: node.intraNode, interNode: node.interNode, hostPower: node.hostPower)
    }
}
