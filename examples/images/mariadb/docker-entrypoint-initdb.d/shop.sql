-- What the shop has on its shelves when it opens. It is made in MARIADB_DATABASE.
create table stock (item varchar(40) primary key, pieces int not null);
insert into stock values ('kettle', 7), ('lamp', 12), ('teapot', 3);
