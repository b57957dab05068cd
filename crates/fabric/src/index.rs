//! Dense indices: the fabric refers to everything by a `u32` of its own type, and keeps rows in [`Table`]s.
//!
//! Rows are sorted by identifier at compile time, so equal models give equal indices. An index is good for the
//! fabric it came from only; across fabrics use the resource's identifier.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

/// A typed row number.
pub trait RowIndex: Copy {
    /// The row with this number.
    fn from_usize(row: usize) -> Self;
    /// The number of the row.
    fn as_usize(self) -> usize;
}

macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl RowIndex for $name {
            fn from_usize(row: usize) -> Self {
                // More than 2^32 rows of anything do not fit in memory.
                Self(row as u32)
            }
            fn as_usize(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

indices! {
    /// A VPC.
    VpcIndex,
    /// A subnet.
    SubnetIndex,
    /// A network interface.
    InterfaceIndex,
    /// An instance.
    InstanceIndex,
    /// A security group.
    GroupIndex,
    /// A set of security groups that some interface carries.
    GroupSetIndex,
    /// A network ACL.
    AclIndex,
    /// A route table.
    RouteTableIndex,
    /// An internet gateway.
    InternetGatewayIndex,
    /// An egress-only internet gateway.
    EgressOnlyInternetGatewayIndex,
    /// A virtual private gateway.
    VpnGatewayIndex,
    /// A transit gateway.
    TransitGatewayIndex,
    /// A NAT gateway.
    NatGatewayIndex,
    /// A VPC peering connection.
    PeeringIndex,
    /// A VPC endpoint.
    VpcEndpointIndex,
    /// A named place on the internet.
    OutsideIndex,
}

/// Rows of one kind, by their typed index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Table<Index, Row> {
    rows: Vec<Row>,
    #[serde(skip)]
    index: PhantomData<fn() -> Index>,
}

impl<Index: RowIndex, Row> Table<Index, Row> {
    /// The row, if there is one of that number.
    pub fn get(&self, index: Index) -> Option<&Row> {
        self.rows.get(index.as_usize())
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Rows with their index, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Index, &Row)> + ExactSizeIterator {
        self.rows.iter().enumerate().map(|(row, value)| (Index::from_usize(row), value))
    }

    /// Rows, ascending by index.
    pub fn values(&self) -> std::slice::Iter<'_, Row> {
        self.rows.iter()
    }

    /// All indices, ascending.
    pub fn indices(&self) -> impl DoubleEndedIterator<Item = Index> + ExactSizeIterator + use<Index, Row> {
        (0..self.rows.len()).map(Index::from_usize)
    }

    /// The row whose key is `key`, in a table whose rows are sorted by that key, as all tables are by their id.
    pub fn find<Key: Ord + ?Sized>(&self, key: &Key, of: impl Fn(&Row) -> &Key) -> Option<Index> {
        self.rows.binary_search_by(|row| of(row).cmp(key)).ok().map(Index::from_usize)
    }

    pub(crate) fn push(&mut self, row: Row) -> Index {
        self.rows.push(row);
        Index::from_usize(self.rows.len() - 1)
    }

    pub(crate) fn get_mut(&mut self, index: Index) -> Option<&mut Row> {
        self.rows.get_mut(index.as_usize())
    }

    pub(crate) fn values_mut(&mut self) -> std::slice::IterMut<'_, Row> {
        self.rows.iter_mut()
    }
}

impl<Index, Row> Default for Table<Index, Row> {
    fn default() -> Self {
        Self { rows: Vec::new(), index: PhantomData }
    }
}

impl<Index: RowIndex, Row> FromIterator<Row> for Table<Index, Row> {
    fn from_iter<Rows: IntoIterator<Item = Row>>(rows: Rows) -> Self {
        Self { rows: rows.into_iter().collect(), index: PhantomData }
    }
}

impl<Index: RowIndex, Row> std::ops::Index<Index> for Table<Index, Row> {
    type Output = Row;
    fn index(&self, index: Index) -> &Row {
        &self.rows[index.as_usize()]
    }
}
